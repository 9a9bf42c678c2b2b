"""Train F4D and SlowOnly on the shipped benchmark, test both, show a table and a picture."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import mmcv
import numpy as np
from studies import Study, make_benchmark, sweep
from sweep_report import plot_curves, summarize, table


def stack_pictures(pictures: Sequence[Path], out: Path) -> Path:
    """Write pictures below each other, each at the width of the widest, on white."""
    images = [mmcv.imread(picture) for picture in pictures]
    width = max(image.shape[1] for image in images)
    rows = []
    for image in images:
        left = (width - image.shape[1]) // 2
        right = width - image.shape[1] - left
        rows.append(np.pad(image, ((12, 12), (left, right), (0, 0)), constant_values=255))
    cv2.imwrite(str(out), np.concatenate(rows))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="V4D, TSN and TSM as well")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--threads", type=int, default=cores, help="of each training")
    args = parser.parse_args()
    os.chdir(Path(__file__).resolve().parents[2])  # configs and data are named from there
    study = Study.load("docs/experiments/quickstart.py")
    rows = list(study.rows) if args.all else ["f4d", "slowonly"]
    failed = sweep(study, rows, threads=args.threads)
    results, folder = summarize(study), study.results.parent.resolve()
    chosen = {label: row for label, row in study.curves.items() if row in rows}
    text = table(study, chosen, results)
    study.document.write_text(f"{text}\n", encoding="utf-8")
    print(f"\n{text}\n\n(chance is 12.5%; work_dirs: {folder})")
    curves = plot_curves(study, results, folder / "curves.png")
    if curves is not None:
        frames = folder / "frames.png"
        make_benchmark(study, "--preview", str(frames), "--preview-videos", "4")
        print(f"Picture: {stack_pictures([frames, curves], folder / 'quickstart.png')}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
