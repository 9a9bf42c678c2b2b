#!/usr/bin/env bash
# Measure on the GPUs of this machine, in ten minutes, and write docs/performance_gpu.md:
# gpu_report.sh [machine|tests|accuracy|training|inference|ddp|loading]...
# ROW_SECONDS and SECTION_SECONDS give rows and sections more time.
# Without a GPU everything runs at a toy size, and the page stays as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

page=docs/performance_gpu.md
sweep=(python tools/experiments/sweep.py docs/experiments/gpu.py)
limit=${SECTION_SECONDS:-120}
note=
if ! python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    echo "There is no GPU: everything runs at a toy size, and $page stays as it is"
    mkdir -p work_dirs/gpu_report
    cp $page work_dirs/gpu_report/toy.md
    page=work_dirs/gpu_report/toy.md
    note=", at a toy size: nothing was measured"
    sweep+=(--only f4d_bf16 --cfg-options "document=../../$page"
        results=../../work_dirs/gpu_report/toy.jsonl options.train_cfg.max_epochs=1
        options.{train,val,test}_dataloader.dataset.indices=8)
fi

for section in ${*:-machine tests accuracy training inference ddp loading}; do
    echo "== $section"
    if [[ $section == accuracy ]]; then
        timeout "$limit" "${sweep[@]}" || echo "Stopped; run it again to go on"
        "${sweep[@]}" --limit-minutes 0
    else
        python tools/analysis/gpu_report.py "$section" --markdown $page \
            --row-seconds "${ROW_SECONDS:-40}" --seconds "$limit"
    fi
done
echo "Written: $page$note"
