#!/usr/bin/env bash
# Test on several processes: dist_test.sh CONFIG CHECKPOINT GPUS [arguments of test.py].
set -euo pipefail
[[ $# -ge 3 ]] || { echo "usage: $0 CONFIG CHECKPOINT GPUS [ARGS...]" >&2; exit 2; }
tools=$(dirname "$0")
# What is missing is said once, ahead of torchrun and its table.
python "$tools/test.py" "$1" "$2" "${@:4}" --only-check
exec bash "$tools/dist_run.sh" "$3" "$tools/test.py" "$1" "$2" "${@:4}"
