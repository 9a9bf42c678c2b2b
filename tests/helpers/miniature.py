"""The five datasets in miniature: official annotation files as published, real media on disk.

`MAKERS[dataset](root)` writes `root/annotations` and `root/rawframes` or `root/videos`, as the
configs expect below their `data_root`, and returns a `Miniature` with the lists that `prepare` must
make of them. Class names and the layout of files and folders are the datasets' own; a video is a
texture that drifts.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
from benchmark_data import drifting_texture
from encoding import CODECS, write_texture
from mmengine.config import Config

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
    lists: dict[int | None, dict[str, list[str]]]


def write_video(path: Path, frames: int, seed: int = 0, fps: int = 12) -> None:
    """Encode a drifting texture by the ending of `path` (.mp4, .webm or .avi)."""
    write_texture(path, frames, SIZE, CODECS[path.suffix], seed=seed, fps=fps)


def touch(root: Path, *names: str) -> None:
    """Make empty files, with their folders."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def write_frames(folder: Path, frames: int, seed: int = 0) -> None:
    """Write a drifting texture as `00001.jpg`, `00002.jpg`, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, frame in enumerate(drifting_texture(frames, SIZE, seed), start=1):
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


Videos = dict[str, list[tuple[str, int]]]  # of train and val: path below the media, and label


def _write(
    dataset: str,
    root: Path,
    classes: list[str],
    official: dict[str, str],
    splits: dict[int | None, Videos],
) -> Miniature:
    """Write official files and media of 14 to 45 frames."""
    mini = Miniature(dataset, root / "annotations", root / "videos", classes, {})
    mini.annotations.mkdir(parents=True)
    for name, text in official.items():
        (mini.annotations / name).write_bytes(text.encode())
    every = sorted(
        {path for split in splits.values() for part in split.values() for path, _ in part}
    )
    frames = {path: 14 + 5 * number % 32 for number, path in enumerate(every)}
    if dataset == "sthv1":
        mini.media = root / "rawframes"
        fields = {path: f"{path} {count}" for path, count in frames.items()}
    else:
        fields = {path: path for path in frames}
    for seed, (path, count) in enumerate(frames.items()):
        (write_frames if dataset == "sthv1" else write_video)(mini.media / path, count, seed)
    for split, subsets in splits.items():
        mini.lists[split] = {
            subset: [f"{fields[path]} {label}" for path, label in videos]
            for subset, videos in subsets.items()
        }
    return mini


def _something(classes: int, extension: str = "") -> Videos:
    """Two training videos of each class and one for validation; ids in no order."""
    ids = [f"{100218 - 7919 * number % 90001}{extension}" for number in range(3 * classes)]
    videos = [(video, number % classes) for number, video in enumerate(ids)]
    return {"train": videos[: 2 * classes], "val": videos[2 * classes :]}


def make_sthv1(root: Path) -> Miniature:
    """Something-Something v1: labels 2 and 4 are left and right, as in the whole dataset."""
    classes = [
        "Holding something",
        "Turning something upside down",
        "Turning the camera left while filming something",
        "Stacking number of something",
        "Turning the camera right while filming something",
        "Opening something",
    ]
    videos, prefix = _something(len(classes)), "something-something-v1-"
    official = {f"{prefix}labels.csv": "\n".join([*classes, ""]), f"{prefix}test.csv": "1420\n3\n"}
    for subset, name in (("train", "train"), ("val", "validation")):
        lines = [f"{video};{classes[label]}\n" for video, label in videos[subset]]
        official[f"{prefix}{name}.csv"] = "".join(lines)
    return _write("sthv1", root, classes, official, {None: videos})


def make_sthv2(root: Path) -> Miniature:
    """Something-Something v2: templates with placeholders, one with commas in it."""
    templates = [
        "Approaching [something] with your camera",
        "Attaching [something] to [something]",
        "Moving [something] and [something] so they collide with each other",
        "Putting [something], [something] and [something] on the table",
    ]
    classes = [template.replace("[", "").replace("]", "") for template in templates]
    videos, prefix = _something(len(classes), ".webm"), "something-something-v2-"
    numbers = {name: str(number) for number, name in enumerate(classes)}
    official = {f"{prefix}labels.json": json.dumps(numbers), f"{prefix}test.json": '[{"id": "1"}]'}
    for subset, name in (("train", "train"), ("val", "validation")):
        entries = [
            {
                "id": video.removesuffix(".webm"),
                "label": templates[label].replace("[something]", "a cup").lower(),
                "template": templates[label],
                "placeholders": ["a cup"] * templates[label].count("["),
            }
            for video, label in videos[subset]
        ]
        official[f"{prefix}{name}.json"] = json.dumps(entries)
    return _write("sthv2", root, classes, official, {None: videos})


def make_kinetics400(root: Path, folders: str = "underscores") -> Miniature:
    """Kinetics-400: `folders` of classes with 'underscores' or 'spaces', or 'flat'.

    The last video of each subset is in the CSV and not on disk, as everywhere. The expected lists
    hold names with blanks for 'spaces' (where `prepare` wants a delimiter).
    """
    classes = ["abseiling", "air drumming", "answering questions", "passing American football"]
    folder_of = {
        "flat": lambda name: "",
        "spaces": lambda name: f"{name}/",
        "underscores": lambda name: f"{name.replace(' ', '_')}/",
    }[folders]
    videos: Videos = {"train": [], "val": []}
    official = {}
    for subset, name, numbers in (("train", "train", range(8)), ("val", "validate", range(8, 12))):
        rows = ["label,youtube_id,time_start,time_end,split\n"]
        for number in numbers:
            label, video, start = number % 4, f"-{number:02}kA_z{number:04}", 37 * number % 200
            rows.append(f"{classes[label]},{video},{start},{start + 10},{name}\n")
            path = f"{folder_of(classes[label])}{video}_{start:06d}_{start + 10:06d}.mp4"
            videos[subset].append((path, label))
        videos[subset].pop()
        official[f"{name}.csv"] = "".join(rows)
    return _write("kinetics400", root, classes, official, {None: videos})


def make_ucf101(root: Path) -> Miniature:
    """UCF101: Windows line ends in classInd.txt, a class whose files are spelled otherwise."""
    classes = ["ApplyEyeMakeup", "HandstandPushups", "YoYo"]
    numbers = [f"{number} {name}\r\n" for number, name in enumerate(classes, start=1)]
    official, splits = {"classInd.txt": "".join(numbers)}, {}
    for split in (1, 2, 3):
        splits[split] = {"train": [], "val": []}
        for label, name in enumerate(classes):
            for group in (1, 2, 3, 4):
                stem = f"v_{name.replace('Handstand', 'HandStand')}_g{group:02}_c01"
                subset = splits[split]["val" if group == split else "train"]
                subset.append((f"{name}/{stem}.avi", label))
        lines = [f"{path} {label + 1}\n" for path, label in splits[split]["train"]]
        official[f"trainlist{split:02}.txt"] = "".join(lines)
        lines = [f"{path}\n" for path, _ in splits[split]["val"]]
        official[f"testlist{split:02}.txt"] = "".join(lines)
    return _write("ucf101", root, classes, official, splits)


def make_hmdb51(root: Path) -> Miniature:
    """HMDB51: a blank at each line's end, and names with brackets, as in the real files."""
    stems = {
        "brush_hair": "April_09_brush_hair_u_nm_np1_ba_goo",
        "cartwheel": "(Rad)Schlag_die_Bank!_cartwheel_f_cm_np1_le_med",
        "catch": "96-_Torwarttraining_1_catch_f_cm_np1_le_bad",
    }
    official = {}
    splits: dict[int, Videos] = {split: {"train": [], "val": []} for split in (1, 2, 3)}
    for label, (name, stem) in enumerate(stems.items()):
        for split, videos in splits.items():
            lines = []
            for number in range(5):
                use = {split: 2, split - 1: 0}.get(number, 1)
                lines.append(f"{stem}_{number}.avi {use} \n")
                if use:
                    subset = videos["val" if use == 2 else "train"]
                    subset.append((f"{name}/{stem}_{number}.avi", label))
            official[f"{name}_test_split{split}.txt"] = "".join(lines)
    return _write("hmdb51", root, list(stems), official, splits)


MAKERS: dict[str, Callable[[Path], Miniature]] = {
    "sthv1": make_sthv1,
    "sthv2": make_sthv2,
    "kinetics400": make_kinetics400,
    "ucf101": make_ucf101,
    "hmdb51": make_hmdb51,
}
