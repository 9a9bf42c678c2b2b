"""Choose num_units, clip_len and frame_interval for your videos, or for a length, and say why."""

import argparse
import sys
from pathlib import Path

from rich.progress import track

from arguments import amount, count
from f4d_mmaction.analysis.complexity import complexity
from f4d_mmaction.apis import list_videos
from f4d_mmaction.datasets.video_errors import BadVideoError
from f4d_mmaction.datasets.video_reader import VideoReader
from folder.choosing import choose_units
from folder.finding import printable

RECOGNITION = Path(__file__).resolve().parents[1] / "configs" / "recognition"
CONFIG = RECOGNITION / "f4d" / "f4d_r18_phase_order.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="?", help="a video, a folder of videos, or a list of them")
    parser.add_argument("--seconds", type=amount, help="length of a video, in place of videos")
    parser.add_argument("--rate", type=amount, default=25.0, help="its frames a second")
    parser.add_argument("--action", type=amount, help="seconds that an action takes")
    parser.add_argument("--clip-len", type=count, default=4, help="T where videos are long enough")
    parser.add_argument("--config", default=str(CONFIG))
    parser.add_argument("--size", type=count, default=64, help="pixels, for the cost")
    args = parser.parse_args()
    if (args.videos is None) == (args.seconds is None):
        parser.error("give videos or --seconds")
    try:
        frames, rates = [round((args.seconds or 0) * args.rate)], [args.rate]
        if args.videos is not None:
            frames, rates = [], []
            for path in track(list_videos(args.videos), "Opening the videos"):
                try:
                    reader = VideoReader(path, time_limit=30)
                except BadVideoError as error:
                    print(f"BAD {printable(error)}", file=sys.stderr)
                else:
                    frames.append(len(reader))
                    rates.append(reader.average_fps)
            if not frames:
                raise ValueError(f"{args.videos}: expected a good video, all are bad")
        chosen, reasons = choose_units(frames, rates, args.action, args.clip_len)
        units, length = chosen["num_units"], chosen["clip_len"]
        print(*reasons, dict(type="SampleActionUnits", **chosen), sep="\n")
        for u, t in ((units, length), (2 * units, length), (units, 2 * length)):
            macs = complexity(args.config, u, t, args.size).macs / 1e9
            print(f"U{u} x T{t}: {macs:.1f} G multiply-adds a video of {args.size} x {args.size}")
    except (OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
