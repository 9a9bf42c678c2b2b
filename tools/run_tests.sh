#!/usr/bin/env bash
# Install what the tests need and run the suite: run_tests.sh [arguments of pytest].
set -euo pipefail
source "$(dirname "$0")/environment.sh"
install_package test

# One thread each: the suite runs in as many processes as there are cores.
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
ruff check .
ruff format --check .
codespell
mypy
exec python -m pytest -n "${TEST_PROCESSES:-$(getconf _NPROCESSORS_ONLN)}" --dist loadfile "$@"
