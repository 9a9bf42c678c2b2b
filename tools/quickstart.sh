#!/usr/bin/env bash
# From a fresh clone to two trained networks: see README.md. `--all` adds V4D, TSN and TSM.
set -euo pipefail
source "$(dirname "$0")/environment.sh"
install_package ""

# The benchmark is left alone where it is there already.
python tools/data/make_benchmark.py data/phase_order
exec python tools/experiments/quickstart.py "$@"
