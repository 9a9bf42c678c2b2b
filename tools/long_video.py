"""Score a long video or a live stream: a window of U units slides along it by one unit.

Of a stream a line of JSON is printed for each window as soon as it is scored.
"""

import argparse
import csv
import json
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryFile

import cv2
import numpy as np
import torch

from arguments import amount, count
from f4d_mmaction.apis import SlidingWindow, Timeline, average_fps, load_recognizer
from f4d_mmaction.apis.recognition import predict
from f4d_mmaction.datasets.transforms import VideoReader
from f4d_mmaction.engine.checkpoints import AtomicBackend
from f4d_mmaction.visualization import draw_timeline, timeline_video
from folder.finding import printable
from live_stream import Reader, StreamError, is_live, score_live
from mmaction.structures import ActionDataSample


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "video",
        help="file; or, scored while it runs, an http or rtsp address, a camera's number or - for "
        "standard input",
    )
    parser.add_argument("--config", required=True)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--labels", help="class names, one a line, in the order of the labels")
    parser.add_argument(
        "--window",
        type=amount,
        metavar="SECONDS",
        help="length of a window, best that of the training videos; its frames without gaps if "
        "not given",
    )
    parser.add_argument("--batch", type=count, default=8, help="units in one forward pass")
    parser.add_argument("--device", help="cuda where there is one, else cpu")
    parser.add_argument("--out-dir", help="default: long_video/ and the name of the video")
    parser.add_argument("--no-video", action="store_true", help="write no annotated video")
    parser.add_argument(
        "--compare", type=count, metavar="N", help="also run N windows by themselves and compare"
    )
    live = parser.add_argument_group("of streams")
    live.add_argument(
        "--timeout", type=amount, default=10, help="seconds without a frame until it is broken off"
    )
    live.add_argument(
        "--reconnect", type=int, default=3, metavar="N",
        help="how often in a row to open it again when it breaks off",
    )  # fmt: skip
    live.add_argument(
        "--keep-all", action="store_true", help="let it wait for the network; drop no frames"
    )
    live.add_argument("--view", action="store_true", help="show it; closing the window ends this")
    args = parser.parse_args()

    try:
        if is_live(args.video):
            return watch(args)
        out = Path(args.out_dir or Path("long_video", Path(args.video).stem))
        if not args.out_dir:
            keep_others(out, args.video)
        fps = average_fps(args.video)
        model = load_recognizer(args.config, args.checkpoint, args.device, args.labels)
        window = SlidingWindow(model, fps, args.window)
        out.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=out).close()  # before hours of scoring
        timeline = window.timeline(args.video, args.batch)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    print(f"{len(timeline.scores)} windows in {timeline.seconds:.1f} s")
    write_scores(timeline, out)
    if args.compare:
        last = len(timeline.scores) - 1
        chosen = np.unique(np.linspace(0, last, min(args.compare, last + 1)).round().astype(int))
        score_alone(window, args.video, 0)  # the first pass is slower
        scores, seconds = zip(*(score_alone(window, args.video, index) for index in chosen))
        alone, sliding = np.mean(seconds), timeline.seconds / len(timeline.scores)
        print(
            f"{len(chosen)} windows by themselves: {1000 * alone:.1f} ms each, sliding "
            f"{1000 * sliding:.1f} ms ({alone / sliding:.2f} times as fast); scores differ by at "
            f"most {np.abs(np.stack(scores) - timeline.scores[chosen]).max():.1e}"
        )
    print(printable(draw_timeline(timeline, out / "timeline.png")))
    if not args.no_video:
        print(printable(timeline_video(timeline, out / "annotated.mp4")))
    return 0


def watch(args: argparse.Namespace) -> int:
    """Score a stream until it ends, or somebody closes the view or interrupts; the exit code."""
    if args.view and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise ValueError("--view needs a display, and DISPLAY is not set")
    model = load_recognizer(args.config, args.checkpoint, args.device, args.labels)
    names, windows, failed, title = model.class_names, 0, 0, "f4d"
    reader = Reader(
        args.video,
        lambda fps: SlidingWindow(model, fps, args.window),
        args.timeout,
        args.reconnect,
        args.keep_all,
    )
    reader.start()
    if args.view:
        cv2.namedWindow(title, cv2.WINDOW_NORMAL)
    try:
        for found in score_live(reader):
            if found:
                windows += 1
                image, label = found.pop("image"), int(found["scores"].argmax())
                found |= {key: round(found[key], 3) for key in ("start", "end", "delay")}
                scores = found["scores"] = found["scores"].astype(float).round(6).tolist()
                found |= dict(label=label, name=names[label], score=scores[label])
                counts = {key: getattr(reader, key) for key in ("frames", "dropped", "reopened")}
                print(json.dumps(found | counts), flush=True)
            if found and args.view:
                image = cv2.resize(image[..., ::-1], None, fx=4, fy=4)
                text = f"{names[label]} {scores[label]:.0%}"
                cv2.putText(image, text, (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 255, 255))
                cv2.imshow(title, image)
            if args.view and is_closed(title):
                break
    except StreamError as error:
        print(error, file=sys.stderr)
        failed = 1
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:  # `| head` has seen enough; Python would write the rest at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    reader.stop()
    reader.join(5)  # Python's end aborts a thread that then returns from the decoder
    window = reader.window
    needed = f" of {window.units * window.section} frames" if window else ""
    print(
        f"{windows} windows{needed}; {reader.frames} frames read, {reader.dropped} dropped, opened "
        f"again {reader.reopened} times",
        file=sys.stderr,
    )
    return failed


def is_closed(title: str) -> bool:
    """Handle the events of a window and say whether somebody has closed it."""
    cv2.waitKey(1)
    try:
        return cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) < 1
    except cv2.error:  # of Qt, after its last window
        return True


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


def keep_others(folder: Path, video: str) -> None:
    """Refuse a folder that holds the scores of another video, under the same name."""
    kept = folder / "scores.json"
    if kept.exists():
        path = json.loads(kept.read_text(encoding="utf-8"))["path"]
        if os.path.realpath(path) != os.path.realpath(video):
            raise ValueError(f"{folder} holds the scores of {path}: give an --out-dir")


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
    AtomicBackend().put(json.dumps(document).encode(), folder / "scores.json")
    with open(folder / "scores.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


if __name__ == "__main__":
    sys.exit(main())
