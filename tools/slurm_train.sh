#!/usr/bin/env bash
# Train under Slurm: slurm_train.sh PARTITION JOB_NAME CONFIG [arguments of train.py].
set -euo pipefail
[[ $# -ge 3 ]] || { echo "usage: $0 PARTITION JOB_NAME CONFIG [ARGS...]" >&2; exit 2; }
tools=$(dirname "$0")
exec bash "$tools/slurm_run.sh" "$1" "$2" "$tools/train.py" "${@:3}"
