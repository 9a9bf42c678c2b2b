"""The five datasets in miniature: official annotation files as published, real media on disk.

`make_sthv1(root)` and its four sisters write `root/annotations` and `root/rawframes` or
`root/videos`, as the configs expect below their `data_root`, and return a `Miniature` with the
lists that `prepare` must make of them. Class names and the layout of files
and folders are the datasets' own; a video is a square that moves.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from encoding import CODECS
from mmengine.config import Config

from f4d_mmaction import visualization

SIZE = (64, 48)  # width, height


@dataclass
class Miniature:
    """Where a miniature lies and the lines of its lists: `lists[split][subset]`.

    `split` is None where the dataset has one only.
    """

    dataset: str
    annotations: Path
    media: Path
    classes: list[str]
    lists: dict[int | None, dict[str, list[str]]] = field(default_factory=dict)


def square_video(frames: int, seed: int) -> np.ndarray:
    """A colored square that crosses a noisy picture: (frames, height, width, 3) uint8."""
    rng = np.random.default_rng(seed)
    width, height = SIZE
    video = rng.integers(0, 60, (1, height, width, 3)).astype(np.uint8).repeat(frames, axis=0)
    color = rng.integers(120, 255, 3)
    start, end = rng.integers(0, (width - 12, height - 12), (2, 2))
    for index, frame in enumerate(video):
        x, y = start + (end - start) * index // max(1, frames - 1)
        frame[y : y + 12, x : x + 12] = color
    return video


def write_video(path: Path, frames: int, seed: int = 0, fps: int = 12) -> None:
    """Encode a moving square by the ending of `path` (.mp4, .webm or .avi)."""
    visualization.write_video(path, square_video(frames, seed), fps, CODECS[path.suffix])


def write_frames(folder: Path, frames: int, seed: int = 0) -> None:
    """Write a moving square as `00001.jpg`, `00002.jpg`, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, frame in enumerate(square_video(frames, seed), start=1):
        cv2.imwrite(str(folder / f"{index:05}.jpg"), frame)


def video_dataset(folder: Path, lines: list[str], **options: object) -> dict:
    """A dataset's config, with its list of videos written into the folder."""
    path = folder / "list.txt"
    path.write_text("".join(f"{line}\n" for line in lines))
    prefix = dict(video=str(folder))
    return dict(type="VideoDataset", ann_file=str(path), data_prefix=prefix, **options)


def rawframe_dataset(folder: Path, lines: list[str]) -> dict:
    """The same for folders of frames as `write_frames` makes them."""
    dataset = video_dataset(folder, lines, filename_tmpl="{:05}.jpg")
    return {**dataset, "type": "RawframeDataset", "data_prefix": dict(img=str(folder))}


def config_of(num_classes: int = 10, **datasets: dict) -> Config:
    """A config of the subsets' datasets, which sample 2 units of 4 frames at interval 2."""
    sampler = dict(type="SampleActionUnits", num_units=2, clip_len=4, frame_interval=2)
    loaders = {
        f"{subset}_dataloader": dict(dataset={"pipeline": [sampler], **dataset})
        for subset, dataset in datasets.items()
    }
    return Config(dict(model=dict(cls_head=dict(num_classes=num_classes)), **loaders))


def _start(dataset: str, root: Path, classes: list[str]) -> Miniature:
    media = root / ("rawframes" if dataset == "sthv1" else "videos")
    miniature = Miniature(dataset, root / "annotations", media, classes)
    miniature.annotations.mkdir(parents=True)
    miniature.media.mkdir()
    return miniature


def _something(classes: int, train: int, val: int) -> dict[str, list[tuple[str, int, int]]]:
    """Per subset (id, label, frames): ids in no order, 14 to 45 frames as in the real ones."""
    videos = [
        (subset, label)
        for subset, count in (("train", train), ("val", val))
        for _ in range(count)
        for label in range(classes)
    ]
    subsets: dict[str, list[tuple[str, int, int]]] = {"train": [], "val": []}
    for number, (subset, label) in enumerate(videos):
        subsets[subset].append((str(100218 - 7919 * number % 90001), label, 14 + 5 * number % 32))
    return subsets


def make_sthv1(root: Path, train: int = 2, val: int = 1) -> Miniature:
    """Something-Something v1: labels 2 and 4 are left and right, as in the whole dataset."""
    classes = [
        "Holding something",
        "Turning something upside down",
        "Turning the camera left while filming something",
        "Stacking number of something",
        "Turning the camera right while filming something",
        "Opening something",
    ]
    mini = _start("sthv1", root, classes)
    prefix = "something-something-v1-"
    (mini.annotations / f"{prefix}labels.csv").write_text("\n".join([*classes, ""]))
    mini.lists[None] = {}
    subsets = _something(len(classes), train, val)
    for subset, name in (("train", "train"), ("val", "validation")):
        lines = [f"{video};{classes[label]}\n" for video, label, _ in subsets[subset]]
        (mini.annotations / f"{prefix}{name}.csv").write_text("".join(lines))
        for video, _, frames in subsets[subset]:
            write_frames(mini.media / video, frames, seed=int(video))
        mini.lists[None][subset] = [f"{v} {frames} {label}" for v, label, frames in subsets[subset]]
    (mini.annotations / f"{prefix}test.csv").write_text("1420\n3\n")
    return mini


def make_sthv2(root: Path, train: int = 2, val: int = 1) -> Miniature:
    """Something-Something v2: templates with placeholders, one with commas in it."""
    templates = [
        "Approaching [something] with your camera",
        "Attaching [something] to [something]",
        "Moving [something] and [something] so they collide with each other",
        "Putting [something], [something] and [something] on the table",
    ]
    classes = [template.replace("[", "").replace("]", "") for template in templates]
    mini = _start("sthv2", root, classes)
    prefix = "something-something-v2-"
    numbers = {name: str(number) for number, name in enumerate(classes)}
    (mini.annotations / f"{prefix}labels.json").write_text(json.dumps(numbers))
    mini.lists[None] = {}
    subsets = _something(len(classes), train, val)
    for subset, name in (("train", "train"), ("val", "validation")):
        entries = [
            {
                "id": video,
                "label": templates[label].replace("[something]", "a cup").lower(),
                "template": templates[label],
                "placeholders": ["a cup"] * templates[label].count("["),
            }
            for video, label, _ in subsets[subset]
        ]
        (mini.annotations / f"{prefix}{name}.json").write_text(json.dumps(entries))
        for video, _, frames in subsets[subset]:
            write_video(mini.media / f"{video}.webm", frames, seed=int(video))
        mini.lists[None][subset] = [f"{video}.webm {label}" for video, label, _ in subsets[subset]]
    (mini.annotations / f"{prefix}test.json").write_text('[{"id": "1420"}]')
    return mini


def make_kinetics400(
    root: Path, train: int = 2, val: int = 1, folders: str = "underscores", missing: int = 1
) -> Miniature:
    """Kinetics-400: `folders` of classes with 'underscores' or 'spaces', or 'flat'.

    The last `missing` videos of each subset are in the CSV and not on disk, as everywhere. The
    expected lists hold names with blanks for 'spaces' (where `prepare` wants a delimiter).
    """
    classes = ["abseiling", "air drumming", "answering questions", "passing American football"]
    mini = _start("kinetics400", root, classes)
    mini.lists[None] = {}
    number = 0
    for subset, name, count in (("train", "train", train), ("val", "validate", val)):
        rows, lines = [], []
        for label in list(range(len(classes))) * count:
            number += 1
            start = 37 * number % 200
            rows.append([classes[label], f"-{number:02}kA_z{number:04}", start, start + 10, name])
            stem = f"{rows[-1][1]}_{start:06d}_{start + 10:06d}.mp4"
            folder = {
                "flat": "",
                "spaces": f"{classes[label]}/",
                "underscores": f"{classes[label].replace(' ', '_')}/",
            }[folders]
            lines.append((f"{folder}{stem}", label))
        mini.lists[None][subset] = [f"{path} {label}" for path, label in lines[: -missing or None]]
        for index, (path, _) in enumerate(lines[: -missing or None]):
            write_video(mini.media / path, frames=30 + 3 * index, seed=index, fps=25)
        with open(mini.annotations / f"{name}.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["label", "youtube_id", "time_start", "time_end", "split"])
            writer.writerows(rows)
    return mini


def make_ucf101(root: Path, groups: int = 4) -> Miniature:
    """UCF101: Windows line ends in classInd.txt, a class whose files are spelled otherwise."""
    classes = ["ApplyEyeMakeup", "HandstandPushups", "YoYo"]
    mini = _start("ucf101", root, classes)
    index = "".join(f"{number} {name}\r\n" for number, name in enumerate(classes, start=1))
    (mini.annotations / "classInd.txt").write_bytes(index.encode())
    files: dict[int, list[tuple[str, int]]] = {group: [] for group in range(1, groups + 1)}
    for label, name in enumerate(classes):
        for group, videos in files.items():
            stem = name.replace("Handstand", "HandStand")
            videos.append((f"{name}/v_{stem}_g{group:02}_c01.avi", label))
            write_video(mini.media / videos[-1][0], frames=20 + 4 * group, seed=group, fps=25)
    for split in (1, 2, 3):
        test = sorted(files[split])
        train = sorted(video for group in files if group != split for video in files[group])
        train_lines = [f"{path} {label + 1}\n" for path, label in train]
        (mini.annotations / f"trainlist{split:02}.txt").write_text("".join(train_lines))
        test_lines = [f"{path}\n" for path, _ in test]
        (mini.annotations / f"testlist{split:02}.txt").write_text("".join(test_lines))
        mini.lists[split] = {
            subset: [f"{path} {label}" for path, label in videos]
            for subset, videos in (("train", train), ("val", test))
        }
    return mini


def make_hmdb51(root: Path, videos: int = 5) -> Miniature:
    """HMDB51: a blank at each line's end, and names with brackets, as in the real files."""
    stems = {
        "brush_hair": "April_09_brush_hair_u_nm_np1_ba_goo",
        "cartwheel": "(Rad)Schlag_die_Bank!_cartwheel_f_cm_np1_le_med",
        "catch": "96-_Torwarttraining_1_catch_f_cm_np1_le_bad",
    }
    mini = _start("hmdb51", root, sorted(stems))
    mini.lists = {split: {"train": [], "val": []} for split in (1, 2, 3)}
    for label, (name, stem) in enumerate(sorted(stems.items())):
        for number in range(videos):
            path = mini.media / name / f"{stem}_{number}.avi"
            write_video(path, frames=18 + 7 * number, seed=number, fps=30)
        for split in (1, 2, 3):
            lines = []
            for number in range(videos):
                use = {split: 2, split - 1: 0}.get(number, 1)
                lines.append(f"{stem}_{number}.avi {use} \n")
                if use:
                    subset = mini.lists[split]["val" if use == 2 else "train"]
                    subset.append(f"{name}/{stem}_{number}.avi {label}")
            (mini.annotations / f"{name}_test_split{split}.txt").write_text("".join(lines))
    return mini


MAKERS: dict[str, Callable[[Path], Miniature]] = {
    "sthv1": make_sthv1,
    "sthv2": make_sthv2,
    "kinetics400": make_kinetics400,
    "ucf101": make_ucf101,
    "hmdb51": make_hmdb51,
}
