"""From a folder of videos to a trained, honestly tested network.

VIDEOS is a folder with one subfolder of videos for each class, a CSV with the columns path and
label (and, if known, group and split), or MMAction2's lists. Looks at every video, splits them so
that videos of one scene or person stay together, trains F4D and SlowOnly in the minutes given, and
says what the test shows. Run again it goes on where it stopped. See docs/your_own_data.md.
"""

import argparse
import json
import math
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from mmengine.config import Config

from arguments import amount, count, natural
from f4d_mmaction.engine.checkpoints import AtomicBackend
from f4d_mmaction.models.weights import WHAT_MOVES
from folder import page, recipe, verdict
from folder.choosing import choose_units
from folder.finding import LISTS, Say, Video, class_names, find_videos, printable
from folder.looking import changed, look
from folder.splitting import (
    group_by_name,
    group_by_scene,
    keep_in_training,
    split_videos,
    tell_lost,
)
from folder.training import measure, score, train
from locking import lock

FEW_EPOCHS, MOST_EPOCHS, LEAST_WIDTH = 10, 150, 8
LOOK = {"videos", "size", "short_side"}  # options that shape the copies
SHARE = 0.85  # of the minutes left, to train in; the rest is validation and test


def regex(text: str) -> str:
    """An argument that is a regular expression, told before hours of decoding if it is none."""
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from None
    return text


def parse_args(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", type=Path)
    parser.add_argument("--work-dir", type=Path, help="default: work_dirs/ and the folder's name")
    parser.add_argument("--minutes", type=amount, default=20.0, help="for everything together")
    parser.add_argument(
        "--group", type=regex, metavar="REGEX", help="part of a name that tells its group"
    )
    parser.add_argument("--seed", type=natural, default=0, help="of the split")
    parser.add_argument("--units", type=count, help="num_units; default by the lengths")
    parser.add_argument("--frames", type=count, default=4, help="clip_len where videos are so long")
    parser.add_argument("--interval", type=count, help="frame_interval; default by the lengths")
    parser.add_argument("--action", type=amount, help="seconds of an action; default the video")
    parser.add_argument("--size", type=count, default=64, help="pixels that the network sees")
    parser.add_argument("--short-side", type=count, help="of shrunk copies; default 1.25 x size")
    parser.add_argument("--width", type=count, help="channels of the first stage")
    parser.add_argument("--batch", type=count, help="videos a step; default what fits, at most 16")
    parser.add_argument("--epochs", type=count, help="default what fits into the minutes")
    parser.add_argument("--flip", action="store_true", help="mirror videos too in training")
    parser.add_argument(
        "--moving",
        action=argparse.BooleanOptionalAction,
        help="networks see what moves, and not the place; default as --from, or by the place",
    )
    parser.add_argument("--from", dest="checkpoint", help="trunk or network to fine-tune")
    parser.add_argument("--workers", type=count, default=min(8, len(os.sched_getaffinity(0))))
    parser.add_argument("--time-limit", type=amount, default=60.0, help="seconds to decode a video")
    parser.add_argument("--memory", type=amount, default=2.0, help="GiB to decode a video")
    return parser.parse_args(words)


def listing(videos: list[Video], source: Path) -> list[list[str]]:
    """What a run is about, wherever it is called from."""
    root = source if source.is_dir() else source.parent
    return [[os.path.relpath(v.path, root), v.label, v.group, v.split] for v in videos]


class Work:
    """The work directory: what was asked, what was said, and the videos of a finished look."""

    def __init__(self, args: argparse.Namespace) -> None:
        source = args.videos.resolve()
        name = source.stem if source.suffix.lower() in LISTS else source.name
        self.folder = (args.work_dir or Path("work_dirs", name)).resolve()
        if source in (self.folder, *self.folder.parents):
            raise ValueError(f"{self.folder} would lie among the videos: give another --work-dir")
        self.path = self.folder / "run.json"
        for path in filter(None, (source, args.checkpoint)):
            if not self.path.exists() and not Path(path).exists():  # one that goes on may need none
                raise FileNotFoundError(
                    f"{path} does not exist: expected VIDEOS, and with --from a checkpoint"
                )
        self.folder.mkdir(parents=True, exist_ok=True)
        lock(self.folder / ".lock")
        asked = {name: str(value) for name, value in vars(args).items()}
        asked |= {"videos": str(source), "work_dir": "", "workers": ""}
        self.content: dict = {"asked": asked, "said": [], "videos": []}
        if self.path.exists():
            found = json.loads(self.path.read_text(encoding="utf-8"))
            before = {**vars(parse_args(["."])), **found["asked"]}  # it may lack a newer option
            changed = [name for name in asked if asked[name] != str(before[name])]
            planned = (self.folder / "config.py").exists()
            if refused := [name for name in changed if planned or name in LOOK]:
                raise ValueError(
                    f"{self.folder} was begun with another {', '.join(refused)}: give another "
                    "--work-dir, or delete it"
                )
            if found["videos"] and not changed:
                self.content = found
                self.refuse_new(args.videos)
                print(*found["said"], sep="\n")
        self.videos = [Video(**video) for video in self.content["videos"]]

    def refuse_new(self, source: Path) -> None:
        """Refuse videos that the run does not know; it may need none of those that are gone.

        One of another content would be another video: it may be of another class or subset.
        """
        videos = find_videos(source, lambda _: None, 0) if source.exists() else []
        there = listing([video for video in videos if os.path.exists(video.path)], source)
        known = set(map(tuple, self.content.get("listing", there)))
        if new := [row for row in there if tuple(row) not in known]:
            raise ValueError(
                f"{self.folder} was begun without {len(new)} of the videos, or with another class, "
                f"group or split of them, first {new[0]}: give another --work-dir, or delete it"
            )
        if others := changed(self.folder):
            raise ValueError(
                f"{len(others)} videos have changed since {self.folder} was begun, first "
                f"{others[0]}: give another --work-dir, or delete it"
            )

    def say(self, text: str) -> None:
        text = printable(text)
        if text not in self.content["said"]:
            print(text, flush=True)
            self.content["said"].append(text)

    def save(self) -> None:
        self.content["videos"] = [asdict(video) for video in self.videos]
        AtomicBackend().put(json.dumps(self.content).encode(), self.path)


def look_and_split(args: argparse.Namespace, work: Work) -> None:
    videos = find_videos(args.videos, work.say)
    work.content["listing"] = listing(videos, args.videos)
    root = args.videos if args.videos.is_dir() else args.videos.parent
    # What can be refused is refused before hours of decoding.
    kind = group_by_name(videos, root, args.group, work.say)
    if args.checkpoint:
        recipe.start_from(
            recipe.base(False), args.checkpoint, work.folder / "trunk.pth", averaged=False
        )
    limits = args.workers, args.time_limit, args.memory
    good = look(videos, work.folder, recipe.short_side(args), *limits, work.say)
    tell_lost(videos, good, "without a good video", work.say)
    kind = group_by_scene(good, kind, work.say)
    given = any(video.split for video in good)
    work.videos = split_videos(good, args.seed, kind, work.say)
    if args.checkpoint:
        known = recipe.trained_on(args.checkpoint, work.say)
        keep_in_training(work.videos, known, given, work.say)
        text = "".join(f"{digest}\n" for digest in sorted(known))
        (work.folder / recipe.KNOWN).write_text(text)  # for a network that starts from this one


def see_moving(args: argparse.Namespace, videos: Sequence[Video], frames: int, say: Say) -> bool:
    """Choose what networks see: what was asked, what ``--from`` saw, or by what the place tells."""
    moving = False if frames == 1 and args.moving is None else args.moving
    if args.checkpoint:
        saw = WHAT_MOVES in recipe.config_of(args.checkpoint)
        moving = saw if moving is None else moving
        if saw != moving:
            say(f"--from was trained on frames {'less their mean' if saw else 'as they are'}")
    elif moving is None:
        tells, why = verdict.place_tells(videos)
        moving = not tells
        say(why)
    if moving and frames == 1:
        raise ValueError("nothing moves in one frame: give --units, --frames or --no-moving")
    say("networks see " + ("frames less their mean: what moves" if moving else "whole pictures"))
    return moving


def plan(args: argparse.Namespace, work: Work, started: float) -> None:
    """Write the lists, and both configs with as many epochs as fit."""
    videos = [video for video in work.videos if video.split == "train"]
    given = args.action, args.frames, args.units, args.interval
    sampler, why = choose_units([v.frames for v in videos], [v.fps for v in videos], *given)
    for sentence in why:
        work.say(sentence)
    units = sampler["num_units"]
    if short := [video for video in work.videos if video.frames < units]:
        work.say(f"left out {len(short)} of fewer frames than units, first {short[0].path}")
        left = [video for video in work.videos if video.frames >= units]
        tell_lost(work.videos, left, f"without a video of {units} frames, one a unit", work.say)
        work.videos = left
        videos = [video for video in videos if video.frames >= units]
        if len({video.split for video in work.videos}) < len(recipe.SUBSETS):
            raise ValueError(f"too few videos have {units} frames: give fewer --units")
    classes = class_names(work.videos)
    recipe.write_lists(work.videos, classes, work.folder)
    seen = [video for video in work.videos if video.split != "test"]
    args.moving = see_moving(args, seen, units * sampler["clip_len"], work.say)
    make = partial(recipe.make_config, args, work.folder, classes, sampler)
    usual = recipe.base(args.moving).train_dataloader.batch_size
    args.batch = min(args.batch or max(2, min(usual, len(videos) // 8)), len(videos))
    if not args.epochs:
        args.epochs = FEW_EPOCHS
        seconds = step_seconds(args, make, work)
        steps = len(videos) // args.batch
        spent = time.time() - started
        fitting = SHARE * max(60 * args.minutes - spent, 15 * args.minutes) / (steps * seconds)
        args.epochs = min(max(int(fitting), 1), MOST_EPOCHS)
        work.say(
            f"a step of {args.batch} videos takes F4D and SlowOnly {seconds:.2f} s together: "
            f"{args.epochs} epochs of {steps} steps, {args.epochs * steps * seconds / 60:.1f} of "
            f"{args.minutes:g} minutes"
        )
        if fitting < FEW_EPOCHS:
            enough = (FEW_EPOCHS * steps * seconds / SHARE + spent) / 60
            work.say(f"that is little: {FEW_EPOCHS} epochs take --minutes {math.ceil(enough)}")
    work.save()
    remarks = ["Written by tools/train_folder.py:", *work.content["said"]]
    recipe.write_config(make(averaged=True), work.folder / "slowonly.py", remarks)
    recipe.write_config(make(averaged=False), work.folder / "config.py", remarks)  # ends the plan


def step_seconds(args: argparse.Namespace, make: Callable[..., Config], work: Work) -> float:
    """Seconds of a step of both networks together, with batch and width that fit the memory."""
    trial = work.folder / "trial.py"
    while True:
        try:
            seconds = 0.0
            for averaged in (False, True):
                recipe.write_config(make(averaged=averaged), trial, [])
                seconds += measure(trial)
            return seconds
        except MemoryError:
            width = make(averaged=False).model.backbone.base_channels
            work.say(f"a step of {args.batch} videos at width {width} does not fit into the memory")
            if args.batch > 1:
                args.batch //= 2
            elif width > LEAST_WIDTH and not args.checkpoint:
                args.width = width // 2
            else:
                raise ValueError("no video fits into the memory: give a smaller --size") from None
        finally:
            trial.unlink(missing_ok=True)


def answer(work: Work) -> Path:
    """Train both networks and have every row answer the test videos, once; F4D's checkpoint."""
    kept = work.folder / "answers.json"
    configs = {name: work.folder / f"{name}.py" for name in ("config", "slowonly")}
    trained = {name: train(path, work.folder / f"{name}_run") for name, path in configs.items()}
    if not kept.exists():
        asked = [video for video in work.videos if video.split == "test"]
        known = [video for video in work.videos if video.split == "train"]
        paths = [str(work.folder / "videos" / video.file) for video in asked]
        classes = class_names(work.videos)
        answers = {"path": [v.path for v in asked], "truth": [v.label for v in asked]}
        rows = {verdict.F4D: "config", verdict.REVERSED: "config", verdict.SLOWONLY: "slowonly"}
        for row, name in rows.items():
            scores = score(configs[name], trained[name], paths, row == verdict.REVERSED)
            answers[row] = [classes[label] for label in scores.argmax(1)]
        answers |= verdict.baselines(known, asked)
        AtomicBackend().put(json.dumps(answers).encode(), kept)
    return trained["config"]


def command(*parts: object) -> str:
    return shlex.join(["python", *map(printable, parts)])


def longer(args: argparse.Namespace, work: Work) -> str:
    """The same command from any folder, with three times the minutes."""
    changed = argparse.ArgumentParser(add_help=False)
    for name in ("--minutes", "--work-dir", "--from", "--group"):
        changed.add_argument(name)
    _, kept = changed.parse_known_args()
    kept = [args.videos.resolve() if Path(part) == args.videos else part for part in kept]
    if args.checkpoint:
        kept += ["--from", os.path.abspath(args.checkpoint)]
    if args.group:
        kept += [f"--group={args.group}"]
    new = "--minutes", f"{3 * args.minutes:g}", "--work-dir", f"{work.folder}_longer"
    return command(os.path.abspath(__file__), *kept, *new)


def main() -> None:
    args, started = parse_args(), time.time()
    try:
        work = Work(args)
        work.save()
        if not work.videos:
            look_and_split(args, work)
            work.save()
        if not (work.folder / "config.py").exists():
            plan(args, work, started)
        checkpoint = answer(work)
        answers = json.loads((work.folder / "answers.json").read_text(encoding="utf-8"))
        answers.pop("path")
        rows, meaning = verdict.judge(answers.pop("truth"), answers)
        tools, network = Path(__file__).parent, work.folder / "config.py"
        go_on = [
            command(tools / "demo.py", "VIDEO", "--config", network, "--checkpoint", checkpoint),
            command(tools / "webdemo", network, checkpoint),
        ]
        epochs = Config.fromfile(network).train_cfg.max_epochs
        if work.content["asked"]["epochs"] == "None" and epochs < MOST_EPOCHS:
            go_on.append(longer(args, work))
        parts = {"What it means": meaning, "Choices": work.content["said"], "Go on": go_on}
        report = page.write(work.folder, checkpoint, rows, parts)
    except (OSError, ValueError) as error:
        sys.exit(f"train_folder.py: {error}")
    except KeyboardInterrupt:
        sys.exit("train_folder.py: interrupted; the same command goes on")
    said = verdict.aligned(rows), "", *meaning, "", f"Report: {report}", *go_on
    print("", *map(printable, said), sep="\n")


if __name__ == "__main__":
    main()
