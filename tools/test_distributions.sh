#!/usr/bin/env bash
# Build the sdist and from it the wheel, and try each alone in a new environment: data, training and
# test by the wheel's own tools and configs, and the test command of the unpacked sdist.
# test_distributions.sh [arguments of pytest]; PYTHON names the interpreter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/building"
"$folder/building/bin/pip" install --quiet build check-manifest twine
"$folder/building/bin/check-manifest"
"$folder/building/bin/python" -m build --outdir "$folder/dist"
"$folder/building/bin/python" -m twine check --strict "$folder"/dist/*

"${PYTHON:-python3}" -m venv "$folder/wheel"
source "$folder/wheel/bin/activate"
python -m pip install --quiet --constraint requirements/constraints.txt \
    "$(echo "$folder"/dist/*.whl)[standalone]"
mkdir "$folder/work" && cd "$folder/work"
carried=$(python -c 'import f4d_mmaction; print(f4d_mmaction.__path__[0])')/.mim
config=$carried/configs/recognition/f4d/f4d_r18_phase_order.py
python "$carried/tools/data/make_benchmark.py" data/phase_order
python "$carried/tools/train.py" "$config" --work-dir run --cfg-options train_cfg.max_epochs=1
python "$carried/tools/test.py" "$config" run/epoch_1.pth
deactivate

mkdir "$folder/sdist" && cd "$folder/sdist"
tar --extract --strip-components 1 --file "$folder"/dist/*.tar.gz
bash tools/run_tests.sh "$@"
