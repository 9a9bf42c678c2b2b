#!/usr/bin/env bash
# Test under Slurm: slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of test.py].
set -euo pipefail
[[ $# -ge 4 ]] || { echo "usage: $0 PARTITION JOB_NAME CONFIG CHECKPOINT [ARGS...]" >&2; exit 2; }
tools=$(dirname "$0")
exec bash "$tools/slurm_run.sh" "$1" "$2" "$tools/test.py" "${@:3}"
