#!/usr/bin/env bash
# Test under Slurm: slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of test.py].
set -euo pipefail
tools=$(dirname "$0")
exec bash "$tools/slurm_run.sh" "$1" "$2" "$tools/test.py" "${@:3}"
