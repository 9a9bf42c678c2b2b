"""Score a long, untrimmed video: a window of U units slides along it by one unit."""

import argparse
from pathlib import Path

from f4d_mmaction.apis import SlidingWindow, average_fps, compare, load_recognizer
from f4d_mmaction.visualization import draw_timeline, timeline_video


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
        print(compare(window, timeline, args.compare))
    out = Path(args.out_dir)
    out.mkdir(parents=True, exist_ok=True)
    timeline.write_json(out / "scores.json")
    timeline.write_csv(out / "scores.csv")
    print(draw_timeline(timeline, out / "timeline.png"))
    if not args.no_video:
        print(timeline_video(timeline, out / "annotated.mp4"))


if __name__ == "__main__":
    main()
