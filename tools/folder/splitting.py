"""Groups of videos that must not be torn apart, and a split that keeps them together."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from .finding import Say, Video, digest_of

SHARES = {"train": 0.6, "val": 0.15, "test": 0.25}
# Names by which datasets tell who or what was filmed.
PATTERNS = {
    "group": r"_(g\d+)_c\d+$",  # UCF101
    "source": r"([^/]+)_[fhlu]_[cn]m_np\d_\w\w_(?:goo|med|bad)_\d+$",  # HMDB51
    "person": r"(P\d{3})R\d{3}A\d{3}",  # NTU RGB+D
    "subject": r"(?:^|[/_\- ])((?:s|sub|subj|subject|person|actor|user|p)[_\- ]?\d+)(?=[/_\- ]|$)",
}
SAME_SCENE = 0.35  # mean difference of two median frames, in their standard deviations
NEXT_NUMBER = 2.0  # times that, where clip 7 and clip 8 may be cut from one take
TRIES = 50


def group_by_name(videos: Sequence[Video], root: Path, pattern: str | None, say: Say) -> str:
    """Give each video the group that the CSV names, or a pattern in its own name, if any.

    Returns:
        What a group is, in a word; nothing where neither tells groups.

    Raises:
        ValueError: the pattern finds nothing.
    """
    if any(video.group for video in videos):
        more = "; --group is not used" if pattern else ""
        say(f"{len({video.group for video in videos} - {''})} groups, as the CSV says{more}")
        return "group"
    names = [os.path.splitext(os.path.relpath(video.path, root))[0] for video in videos]
    for kind, wanted in {"group": pattern}.items() if pattern else PATTERNS.items():
        found = [re.search(wanted, name, 0 if pattern else re.IGNORECASE) for name in names]
        groups = [
            next((part for part in m.groups() if part is not None), m[0]).lower() if m else ""
            for m in found
        ]
        hits = {group for group, match in zip(groups, found) if match}
        if pattern and not hits:
            raise ValueError(f"--group {pattern!r} fits no name, for example {names[0]!r}")
        named = sum(match is not None for match in found)
        pairs = {(group, v.label) for group, match, v in zip(groups, found, videos) if match}
        are_classes = len({label for _, label in pairs}) == len(pairs) == len(hits)
        fits = named > 0.95 * len(names) and 3 <= len(hits) <= len(names) / 2 and not are_classes
        if pattern or fits:
            say(f"{len(hits)} {kind}s by the names of {named} videos, for example {min(hits)!r}")
            for video, group in zip(videos, groups):
                video.group = group
            return kind
    return ""


def group_by_scene(videos: Sequence[Video], kind: str, say: Say) -> str:
    """Make its scene the group of each video that has none.

    A scene of more than a third of all videos is no group, as of a camera that stands still: each
    of its videos is a group of its own.

    Returns:
        ``kind``, or "scene" if it says nothing.
    """
    if all(video.group for video in videos):
        return kind
    scenes = find_scenes(videos)
    sizes = Counter(scenes)
    large = {scene for scene, size in sizes.items() if size > len(videos) / 3}
    rest = [(video, scene) for video, scene in zip(videos, scenes) if not video.group]
    for video, scene in rest:
        video.group = video.path if scene in large else f"scene {scene}"
    if kind:
        say(f"{len(rest)} videos of no {kind} are grouped by their scene")
    if alone := sum(scene in large for _, scene in rest):
        say(
            f"{alone} videos show {len(large)} places, each of which more than a third of all "
            "videos show: each is a group of its own; if people or takes must stay together, name "
            "them by --group or in a CSV"
        )
    if few := {scene for _, scene in rest} - large:
        say(f"{len(few)} scenes: videos whose background looks the same")
    return kind or "scene"


def keep_in_training(videos: Sequence[Video], known: set[str], given: bool, say: Say) -> None:
    """Move videos that a network already knows, by their digests, to its training set.

    Their groups go with them, unless the split is ``given`` and may tear groups.

    Raises:
        ValueError: that leaves nothing to validate or to test on.
    """
    groups = set() if given else {v.group for v in videos if digest_of(v.file) in known}
    others = [video for video in videos if video.split != "train"]
    moved = [v for v in others if v.group in groups or digest_of(v.file) in known]
    for video in moved:
        video.split = "train"
    if moved:
        counts = Counter(video.split for video in videos)
        now = ", ".join(f"{subset} {counts[subset]}" for subset in SHARES)
        say(f"{len(moved)} videos, first {moved[0].path}, moved to train: --from was trained on "
            f"them, or on others of their groups; now {now}")  # fmt: skip
    if lost := SHARES.keys() - {video.split for video in videos}:
        raise ValueError(
            f"--from was trained on all videos of {' and '.join(sorted(lost))}: give the --seed of "
            "that run, or other videos"
        )


def find_scenes(videos: Sequence[Video], limit: float = SAME_SCENE) -> list[int]:
    """Number the scenes: videos whose median frames are alike, directly or through others.

    Videos with consecutive numbers in their names may differ more. Where a third of all videos
    would be one scene, only closer ones count as the same.
    """
    frames = _standardized(videos)
    scenes = np.arange(len(frames))
    for frame, next_to_it in zip(frames, find_neighbors([video.path for video in videos])):
        apart = np.abs(frames - frame).mean(1)
        apart[next_to_it] /= NEXT_NUMBER
        joined = np.unique(scenes[apart < limit])
        scenes[np.isin(scenes, joined)] = joined[0]
    scenes = np.unique(scenes, return_inverse=True)[1]
    if limit > SAME_SCENE / 8 and np.bincount(scenes).max() > len(videos) / 3:
        return find_scenes(videos, limit / 2)
    return scenes.tolist()


def find_neighbors(paths: Sequence[str]) -> list[list[int]]:
    """List, for each path, where those are that differ from it by 1 in their last number."""
    stems = [os.path.splitext(path)[0] for path in paths]
    parts = [re.fullmatch(r"(.*?)(\d+)(\D*)", stem) for stem in stems]
    numbered = {row: (m[1], int(m[2]), m[3]) for row, m in enumerate(parts) if m}
    places = defaultdict(list)
    for row, key in numbered.items():
        places[key].append(row)
    near: list[list[int]] = [[] for _ in paths]
    for row, (head, number, tail) in numbered.items():
        for step in (-1, 1):
            near[row] += places.get((head, number + step, tail), [])
    return near


def _standardized(videos: Sequence[Video]) -> np.ndarray:
    """The backgrounds without their brightness and contrast."""
    frames = pixels(videos)
    frames -= frames.mean(1, keepdims=True)
    return frames / (frames.std(1, keepdims=True) + 5)


def _alike(videos: Sequence[Video], others: Sequence[Video]) -> int:
    """Count the videos that look like the scene of another one."""
    known = _standardized(others)
    return sum(np.abs(known - frame).mean(1).min() < SAME_SCENE for frame in _standardized(videos))


def pixels(videos: Sequence[Video]) -> np.ndarray:
    """The backgrounds of videos, a row each."""
    rows = [np.frombuffer(bytes.fromhex(video.background), np.uint8) for video in videos]
    return np.stack(rows).astype(np.float32)


def tell_lost(before: Sequence[Video], left: Sequence[Video], why: str, say: Say) -> None:
    """Say which classes have lost all their videos, or all of a given subset.

    Raises:
        ValueError: fewer than two classes are left.
    """
    had, have = ({(v.label, v.split) for v in videos} for videos in (before, left))
    lost = ", ".join(" in ".join(filter(None, pair)) for pair in sorted(had - have))
    if lost:
        say(f"left out, {why}: {lost}")
    if len({label for label, _ in have}) < 2:
        raise ValueError(f"fewer than two classes are left; left out, {why}: {lost}")


def split_videos(videos: Sequence[Video], seed: int, kind: str, say: Say) -> list[Video]:
    """Give each video its subset, whole groups at a time; return the videos of usable classes.

    Raises:
        ValueError: fewer than two classes can be split, or the given splits have gaps.
    """
    counts = Counter(video.label for video in videos)
    enough = [video for video in videos if counts[video.label] >= 3]
    tell_lost(videos, enough, "with fewer than the 3 videos that a split needs", say)
    videos, labels = enough, {video.label for video in enough}
    given = {video.split for video in videos}
    if given > {""}:
        blank = sum(not video.split for video in videos)
        raise ValueError(
            f"{blank} of {len(videos)} videos have no split: give every video one, or none"
        )
    if "train" not in given and len(given) > 1:
        raise ValueError("the given splits are val and test: expected train among them, or none")
    if given == {"train", "val"}:
        say("the given val is tested on; choices need another one, which is cut from train")
        for video in videos:
            video.split = "test" if video.split == "val" else "train"
        given = {"train", "test"}
    if len(given) == 1:
        beside, tests = _torn(videos, seed)
        draw(videos, SHARES, seed)
        random = f"; a random split would have put {beside} of its {tests} test videos beside a"
        random += f" training video of the same {kind}"
        say(f"split by {kind}, seed {seed}{random if beside else ''}")
    elif "val" not in given:
        rest = [video for video in videos if video.split != "test"]
        draw(rest, {name: SHARES[name] for name in ("train", "val")}, seed)
    places = defaultdict(set)
    for video in videos:
        places[video.group].add(video.split)
    if torn := sum("test" in subsets and len(subsets) > 1 for subsets in places.values()):
        say(f"the given split has test videos of {torn} of {len(places)} {kind}s elsewhere, too: "
            "its test is easier than one on others")  # fmt: skip
    subsets = {name: [video for video in videos if video.split == name] for name in SHARES}
    known, asked = subsets["train"], subsets["test"]
    if kind != "scene" and known and asked and (alike := _alike(asked, known)):
        advice = f": {kind}s share rooms, or are parts of recordings; then name others by --group"
        say(
            f"{alike} of {len(asked)} test videos look like the scene of a training video"
            f"{advice if len(given) == 1 else ''}"
        )
    for subset, chosen in subsets.items():
        say(f"{subset}: {len(chosen)} videos of {len({v.group for v in chosen})} {kind}s")
        if missing := sorted(labels - {video.label for video in chosen}):
            drawn = len(given) == 1 or ("val" not in given and subset != "test")
            why = f": too few {kind}s" if drawn else ", as the split was given"
            say(f"{subset} has no video of {', '.join(missing)}{why}")
    if not all(subsets.values()):
        raise ValueError(
            f"{len({v.group for v in videos})} {kind}s are too few to split: name smaller groups "
            "by --group or in a CSV"
        )
    return videos


def draw(videos: Sequence[Video], shares: dict[str, float], seed: int) -> None:
    """Set ``split``, with the classes in each subset as near to its share as groups allow."""
    groups = defaultdict(list)
    for video in videos:
        groups[video.group].append(video)
    labels = sorted({video.label for video in videos})
    counts = np.array([[sum(v.label == c for v in g) for c in labels] for g in groups.values()])
    wanted = np.outer(list(shares.values()), counts.sum(0)) / sum(shares.values())
    tries = []
    for attempt in range(TRIES):
        order = np.random.default_rng([seed, attempt]).permutation(len(groups))
        order = order[np.argsort(-counts[order].sum(1), kind="stable")]
        have, places = np.zeros_like(wanted), np.zeros(len(groups), int)
        for row in order:  # to where it brings the subsets nearest to what is wanted
            change = (have + counts[row] - wanted) ** 2 - (have - wanted) ** 2
            places[row] = (change / wanted).sum(1).argmin()
            have[places[row]] += counts[row]
        _fill(have, counts, places)
        tries.append(((have == 0).sum(), ((have - wanted) ** 2 / wanted).sum(), places))
    *_, places = min(tries, key=lambda each: each[:2])
    for place, members in zip(places, groups.values()):
        for video in members:
            video.split = list(shares)[place]


def _fill(have: np.ndarray, counts: np.ndarray, places: np.ndarray) -> None:
    """Move small groups to subsets that lack their class, where no other one then lacks a class."""
    for place, label in np.argwhere(have == 0):
        for row in sorted(np.flatnonzero(counts[:, label]), key=lambda row: counts[row].sum()):
            left = have[places[row]] - counts[row]
            if have[place, label] == 0 and (left > 0)[counts[row] > 0].all():
                have[places[row]] = left
                have[place] += counts[row]
                places[row] = place


def _torn(videos: Sequence[Video], seed: int) -> tuple[int, int]:
    """Count the test videos of a random split: with a group's member in training, and all."""
    alone = [replace(video, group=str(number)) for number, video in enumerate(videos)]
    draw(alone, SHARES, seed)
    pairs = [(video.group, copy.split) for video, copy in zip(videos, alone)]
    trained = {group for group, split in pairs if split == "train"}
    tested = [group for group, split in pairs if split == "test"]
    return sum(group in trained for group in tested), len(tested)
