#!/usr/bin/env bash
# Train on several processes: dist_train.sh CONFIG GPUS [arguments of train.py]; see dist_run.sh.
set -euo pipefail
[[ $# -ge 2 ]] || { echo "usage: $0 CONFIG GPUS [ARGS...]" >&2; exit 2; }
tools=$(dirname "$0")
# What is missing is said once, ahead of torchrun and its table.
python "$tools/train.py" "$1" "${@:3}" --only-check
exec bash "$tools/dist_run.sh" "$2" "$tools/train.py" "$1" "${@:3}"
