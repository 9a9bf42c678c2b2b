#!/usr/bin/env bash
# Test on several processes: dist_test.sh CONFIG CHECKPOINT GPUS [arguments of test.py].
set -euo pipefail
tools=$(dirname "$0")
exec bash "$tools/dist_run.sh" "$3" "$tools/test.py" "$1" "$2" "${@:4}"
