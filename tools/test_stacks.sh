#!/usr/bin/env bash
# Run the suite's core on a named set of versions, in a fresh virtual environment:
# test_stacks.sh oldest|old|middle|current|forks [arguments of pytest]. PYTHON names the interpreter,
# and STACKS the folder of the environments. The oldest are the lower bounds of setup.py; everything
# that is not named is what pip resolves, without constraints.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1:-} in
    oldest) mapfile -t versions < <("${PYTHON:-python3}" tools/oldest_versions.py)
        versions+=("numpy<2") ;; # torch 2.0 was built for numpy 1
    old) versions=("torch==2.1.2" "numpy<2" "mmengine>=0.10,<1" "mmcv-lite==2.0.1") ;;
    middle) versions=("torch==2.4.1" "mmengine>=0.10,<1" "mmcv-lite==2.1.0") ;;
    current) versions=(".[standalone]") ;;
    forks) versions=("onedl-mmengine" "onedl-mmcv") ;;
    *) echo "usage: $0 oldest|old|middle|current|forks [ARGS...]" >&2; exit 2 ;;
esac
folder=${STACKS:-${TMPDIR:-/tmp}/f4d_stacks}/$1
"${PYTHON:-python3}" -m venv --clear "$folder"
source "$folder/bin/activate"
python -m pip install --quiet "${versions[@]}" . pytest hypothesis "setuptools<81" \
    "pytorchcv==0.0.67"
python -m pip list --format freeze | grep -iE "^(torch|numpy|av|decord|opencv-|.*mm(cv|engine|action))"

export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
exec python -m pytest -q -m "not slow" -p no:cacheprovider tests/test_compat.py tests/models \
    tests/datasets/test_{sampling,formatting,decoding,video_errors}.py \
    tests/engine/test_{untrusted_checkpoints,mixed_precision}.py "${@:2}"
