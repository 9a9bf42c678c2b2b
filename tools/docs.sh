#!/usr/bin/env bash
# Make the pages in build/docs and show them at http://localhost:8000: docs.sh [--build | PORT].
set -euo pipefail
source "$(dirname "$0")/environment.sh"
install_package docs

python -m sphinx --fail-on-warning --keep-going --quiet --conf-dir docs . build/docs
[[ ${1:-} == --build ]] || exec python -m http.server --directory build/docs "${1:-8000}"
