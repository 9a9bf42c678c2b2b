"""Recognize a video, the videos of a folder, or those of a list (a path a line)."""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from mmengine.model import BaseModel
from rich.progress import Progress

from arguments import count
from f4d_mmaction.apis import iter_recognize, list_videos, load_recognizer
from f4d_mmaction.models.inference import prepare_for_inference
from f4d_mmaction.structures import Recognition
from f4d_mmaction.visualization import attention_video, contact_sheet
from folder.finding import printable

LONGEST = 190  # bytes of a picture's name, which ends at 255 with hash, block and suffix


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", metavar="VIDEO|FOLDER|LIST.txt")
    parser.add_argument("--config", required=True)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--labels", help="class names, one a line, in the order of the labels")
    parser.add_argument("--topk", type=count, default=5)
    parser.add_argument("--batch", type=count, default=1, help="videos in one forward pass")
    parser.add_argument("--device", help="cuda where there is one, else cpu")
    parser.add_argument(
        "--fast", action="store_true", help="compile the network, in low precision where native"
    )
    parser.add_argument("--json", metavar="OUT.jsonl", help="also write a line for each video")
    parser.add_argument("--out-dir", help="also draw the attention of each video there")
    parser.add_argument(
        "--location", help="4D block whose attention to draw, e.g. layer1_1; 'all' for each of them"
    )
    args = parser.parse_args()
    if args.location and not args.out_dir:
        parser.error("--location says what to draw: give --out-dir too")
    try:
        videos = list_videos(args.source)
        bad = recognize(videos, args)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough; Python would write the rest at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OSError, ImportError, ValueError) as error:
        parser.error(str(error))
    if bad:
        print(f"{bad} of {len(videos)} videos could not be used", file=sys.stderr)
    return 1 if bad else 0


def recognize(videos: Sequence[str], args: argparse.Namespace) -> int:
    """Recognize videos as the arguments say; return how many are bad."""
    model = load_recognizer(args.config, args.checkpoint, args.device, args.labels)
    check_location(model, args.location)
    if args.fast:
        prepare_for_inference(model)
    results = iter_recognize(model, videos, args.topk, args.batch, bool(args.out_dir))
    bad, root = 0, os.path.commonpath([os.path.abspath(Path(video).parent) for video in videos])
    if args.json:
        Path(args.json).parent.mkdir(parents=True, exist_ok=True)
    with (
        open(args.json, "w", encoding="utf-8") if args.json else nullcontext() as lines,
        # The bar passes on what is printed meanwhile, to stdout: not what goes to a file.
        Progress(
            disable=len(videos) == 1 or not sys.stdout.isatty(),
            redirect_stderr=sys.stderr.isatty(),
        ) as progress,
    ):
        for result in progress.track(results, len(videos), description="Recognizing"):
            bad += bool(result.error)
            show(result)
            if lines:
                lines.write(json.dumps(result.to_dict()) + "\n")
            if args.out_dir and not result.error:
                within = os.path.relpath(Path(result.path).parent, root)
                drawn: list[str | None] = [*result.maps] or [None]  # some blocks have no attention
                for block in drawn if args.location == "all" else [args.location]:
                    save_attention(result, Path(args.out_dir, within), block)
    return bad


def save_attention(
    result: Recognition, folder: str | os.PathLike, location: str | None = None
) -> tuple[Path, Path]:
    """Write the contact sheet and the annotated video of a result into a folder.

    They are named for the video and the folder it lies in, and for ``location`` where it is given.
    """
    path = Path(result.path)
    name = "_".join(filter(None, (path.parent.name, path.name)))
    if len(whole := os.fsencode(name)) > LONGEST:
        name = f"{os.fsdecode(whole[:LONGEST])}_{hashlib.sha1(whole).hexdigest()[:10]}"
    stem = Path(folder, "_".join(filter(None, (name, location))))
    sheet = contact_sheet(result, f"{stem}.png", location)
    return sheet, attention_video(result, f"{stem}.mp4", location)


def check_location(model: BaseModel, location: str | None) -> None:
    known = list(getattr(model.backbone, "blocks4d", {}))
    if location not in (None, "all", *known):
        where = f"4D blocks at {', '.join(known)}" if known else "no 4D blocks"
        raise ValueError(f"--location {location}: the network has {where}")


def show(result: Recognition) -> None:
    if result.error:
        print(f"BAD {printable(result.error)}", file=sys.stderr)
        return
    print(printable(result.path))
    for prediction in result.predictions:
        print(f"  {prediction.score:6.1%}  {prediction.name}")


if __name__ == "__main__":
    sys.exit(main())
