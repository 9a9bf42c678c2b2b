"""Score a long, untrimmed video: a window of U units slides along it by one unit."""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path

import numpy as np
import torch

from f4d_mmaction.apis import SlidingWindow, Timeline, average_fps, load_recognizer
from f4d_mmaction.apis.recognition import predict
from f4d_mmaction.datasets.transforms import VideoReader
from f4d_mmaction.visualization import draw_timeline, timeline_video
from mmaction.structures import ActionDataSample


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video")
    parser.add_argument("--config", required=True)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--labels", help="class names, one a line, in the order of the labels")
    parser.add_argument(
        "--window",
        type=float,
        metavar="SECONDS",
        help="length of a window, best that of the training videos; its frames without gaps if "
        "not given",
    )
    parser.add_argument("--batch", type=int, default=8, help="units in one forward pass")
    parser.add_argument("--device", help="cuda where there is one, else cpu")
    parser.add_argument("--out-dir", default="long_video", help="for scores, pictures and video")
    parser.add_argument("--no-video", action="store_true", help="write no annotated video")
    parser.add_argument(
        "--compare", type=int, metavar="N", help="also run N windows by themselves and compare"
    )
    args = parser.parse_args()

    try:
        fps = average_fps(args.video)
        model = load_recognizer(args.config, args.checkpoint, args.device, args.labels)
        window = SlidingWindow(model, fps, args.window)
        timeline = window.timeline(args.video, args.batch)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    print(f"{len(timeline.scores)} windows in {timeline.seconds:.1f} s")
    if args.compare:
        last = len(timeline.scores) - 1
        chosen = np.unique(np.linspace(0, last, args.compare).round().astype(int))
        score_alone(window, args.video, 0)  # the first pass is slower
        scores, seconds = zip(*(score_alone(window, args.video, index) for index in chosen))
        alone, sliding = np.mean(seconds), timeline.seconds / len(timeline.scores)
        print(
            f"{len(chosen)} windows by themselves: {1000 * alone:.1f} ms each, sliding "
            f"{1000 * sliding:.1f} ms ({alone / sliding:.2f} times as fast); scores differ by at "
            f"most {np.abs(np.stack(scores) - timeline.scores[chosen]).max():.1e}"
        )
    out = Path(args.out_dir)
    out.mkdir(parents=True, exist_ok=True)
    write_scores(timeline, out)
    print(draw_timeline(timeline, out / "timeline.png"))
    if not args.no_video:
        print(timeline_video(timeline, out / "annotated.mp4"))


def score_alone(window: SlidingWindow, video: str, index: int) -> tuple[np.ndarray, float]:
    """Score one window by itself, the plain way: scores (classes,) and seconds.

    Opening the file, which the plain way would do for each window, is not counted.
    """
    reader = VideoReader(video)
    started = time.perf_counter()
    first = (index + np.arange(window.units)) * window.section
    frames = (first[:, None] + window.offsets).reshape(-1)
    distinct, places = np.unique(frames, return_inverse=True)
    images = reader.read(distinct)
    inputs = torch.from_numpy(window.format([images[place] for place in places], window.units))
    packed = dict(inputs=inputs, data_samples=ActionDataSample())
    scores, _ = predict(window.model, [packed], attention=False)
    return scores[0], time.perf_counter() - started


def write_scores(timeline: Timeline, folder: Path) -> None:
    """Write every window's times, best class and all scores as JSON, and as a row of a table."""
    header = ["start", "end", "name", "score", *timeline.classes]
    windows: list[dict] = []
    rows: list[list] = [header]
    for start, end, scores in zip(timeline.starts, timeline.ends, timeline.scores):
        label = int(scores.argmax())
        start, end, name = round(float(start), 3), round(float(end), 3), timeline.classes[label]
        scores = scores.astype(float).round(6).tolist()
        windows.append(dict(start=start, end=end, label=label, name=name, scores=scores))
        rows.append([start, end, name, scores[label], *scores])
    document = dict(path=timeline.path, classes=timeline.classes, windows=windows)
    (folder / "scores.json").write_text(json.dumps(document), encoding="utf-8")
    with open(folder / "scores.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


if __name__ == "__main__":
    main()
