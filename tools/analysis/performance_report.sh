#!/usr/bin/env bash
# Remake every table and picture of docs/performance.md, from the root of the repository.
# `performance_report.sh computed` remakes what is computed alone.
set -u
page=docs/performance.md
root=configs/recognition
f4d=$root/f4d/f4d_r50_sthv1.py
v4d=$root/v4d/v4d_r50_sthv1.py
trunk=$root/slowonly/slowonly_r50_sthv1.py
benchmark="python tools/analysis/benchmark.py"

python tools/analysis/complexity.py "$trunk" "$v4d" "$root/f4d/f4d_r50_conv3_matched_sthv1.py" \
    "$root/f4d/f4d_r50_matched_sthv1.py" "$f4d" --markdown $page complexity
python tools/analysis/training_memory.py "$f4d" --markdown $page gpu
[ "${1:-}" = computed ] && exit
$benchmark --check docs/performance_targets.json --markdown $page check
$benchmark "$f4d" "$v4d" "$trunk" --mode eager fast --markdown $page forward
$benchmark "$f4d" --cfg-options model.backbone.channels_last=False --mode fast eager \
    --markdown $page contiguous
$benchmark "$f4d" "$v4d" "$trunk" --training --clip-len 4 --markdown $page training
$benchmark "$f4d" "$v4d" --mode eager fast --profile --markdown $page profile
$benchmark "$f4d" "$v4d" --training --clip-len 4 --profile --markdown $page training_profile
$benchmark "$f4d" "$v4d" "$trunk" --batch 1 --size 112 --markdown $page scaling \
    --plot docs/performance_scaling.png
python tools/deployment/runtimes.py "$f4d" --rounds 7 --markdown $page runtimes
THP_MEM_ALLOC_ENABLE=1 MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=18446744073709551615 \
    python tools/deployment/runtimes.py "$f4d" --only "inference mode" "OpenVINO, 3D" \
    --markdown $page runtimes_kept
python tools/analysis/benchmark_data.py "$f4d" --frames 40 300 --markdown $page loading
