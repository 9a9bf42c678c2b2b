"""What a network sees in videos: its best classes by name, and its attention, in one pass."""

import copy
import os
import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from mmaction.structures import ActionDataSample
from mmaction.utils import get_str_type
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from ..datasets.unwrapping import names_of, tested_dataset, unit_frames
from ..datasets.video_errors import BadVideoError
from ..datasets.video_reader import video_file
from ..models.resnet4d import Blocks4dMixin
from ..structures import Prediction, Recognition
from .loading import read_lines

VIDEO_SUFFIXES = (".mp4", ".avi", ".webm", ".mkv", ".mov", ".m4v", ".mpg", ".mpeg", ".ts", ".3gp",
                  ".flv", ".wmv", ".ogv", ".mts", ".m2ts", ".vob", ".mxf", ".asf", ".3g2",
                  ".f4v")  # fmt: skip
TOO_SHORT = "too_short"  # beside the kinds of BadVideoKind


def recognize(
    model: BaseModel,
    videos: str | os.PathLike | Iterable[str | os.PathLike],
    topk: int = 5,
    batch_size: int = 1,
    attention: bool = True,
) -> list[Recognition]:
    """Recognize videos in order; a bad file becomes a result with an ``error``.

    Args:
        model: Of ``load_recognizer`` (or of MMAction2's ``init_recognizer``).
        videos: Path of a video, or several.
        topk: Number of classes to name.
        batch_size: Videos in one forward pass.
        attention: Keep the attention maps. Without them a network of ``prepare_for_inference``
            runs compiled.

    Raises:
        ValueError: the config's test pipeline cannot read videos; topk or batch_size below 1.
    """
    return list(iter_recognize(model, videos, topk, batch_size, attention))


def iter_recognize(
    model: BaseModel,
    videos: str | os.PathLike | Iterable[str | os.PathLike],
    topk: int = 5,
    batch_size: int = 1,
    attention: bool = True,
) -> Iterator[Recognition]:
    """Yield what :func:`recognize` returns one by one; the next batch is read meanwhile."""
    if topk < 1:
        raise ValueError(f"topk must be at least 1, got {topk}")
    names = getattr(model, "class_names", None)

    def run(paths: Sequence[str], packed: Sequence[dict]) -> Iterator[Recognition]:
        return recognize_packed(model, paths, packed, names, topk, attention)

    return run_in_batches(model, videos, batch_size, run)


def run_in_batches(
    model: BaseModel,
    videos: str | os.PathLike | Iterable[str | os.PathLike],
    batch_size: int,
    run: Callable[[Sequence[str], Sequence[dict]], Iterable],
) -> Iterator:
    """Yield what ``run`` makes of each video in order; of a bad one, a result with an ``error``.

    ``run`` takes paths and packed samples of one size; the next batch is read meanwhile.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    if (model.test_cfg or {}).get("max_testing_views"):  # the host then takes one video at a time
        batch_size = 1
    pipeline = video_pipeline(model.cfg)
    if isinstance(videos, (str, bytes, os.PathLike)):
        videos = [videos]
    paths = map(os.fsdecode, videos)

    def read_batch() -> list[tuple[str, dict | Recognition]]:
        return [(path, read_video(pipeline, path)) for path in islice(paths, batch_size)]

    with ThreadPoolExecutor(1) as reader:
        waiting = reader.submit(read_batch)
        while batch := waiting.result():
            waiting = reader.submit(read_batch)
            results = {place: read for place, (_, read) in enumerate(batch)}
            good = {i: read for i, read in results.items() if not isinstance(read, Recognition)}
            for places in group_by_size(good):
                results.update(zip(places, run(*zip(*(batch[place] for place in places)))))
            yield from results.values()


def group_by_size(packed: Mapping[int, dict]) -> Iterable[list[int]]:
    """Put the places of packed samples of one size together: the host pads those of several."""
    sizes = defaultdict(list)
    for place, sample in packed.items():
        sizes[sample["inputs"].shape].append(place)
    return sizes.values()


def video_pipeline(config: Config) -> Compose:
    """Make the test pipeline of a config read video files, whatever its dataset is stored as.

    ``DecodeUnits`` decodes and names kinds of bad files; several crops become the center one.

    Raises:
        ValueError: there is no pipeline, or none with a decoder.
    """
    init_default_scope(config.get("default_scope", "mmaction"))
    steps = copy.deepcopy(list(tested_dataset(config).get("pipeline") or ()))
    names = [get_str_type(step["type"]) for step in steps]
    if not any("Decode" in name for name in names):
        named = ", ".join(names) or "test_dataloader.dataset has none"
        raise ValueError(f"the config's test pipeline decodes no frames: {named}")
    replaced = [dict(zip(names, steps)).get("InitVideo", dict(type="InitVideo"))]
    for name, step in zip(names, steps):
        if "Decode" in name:
            step = dict(type="DecodeUnits", share="FormatActionUnits" in names)
        elif name in ("ThreeCrop", "TenCrop"):
            step = dict(step, type="CenterCrop")
        elif name == "PackActionInputs":
            step = dict(step, meta_keys=("filename", "frame_inds", "avg_fps", "total_frames"))
        if "Init" not in name:
            replaced.append(step)
    return Compose(replaced)


def read_video(pipeline: Compose, path: str) -> dict | Recognition:
    """Run the pipeline on a file: packed inputs, or a result that says what is wrong with it."""
    results: dict = dict(filename=path, label=-1, start_index=0, modality="RGB")
    try:
        for step in pipeline.transforms:
            needed = getattr(step, "num_units", 0)
            if results.get("total_frames", needed) < needed:
                message = (
                    f"{path}: too short: {results['total_frames']} frames, but the network samples "
                    f"{needed} units of at least one (num_units of its config's test pipeline)"
                )
                return Recognition(path, kind=TOO_SHORT, error=message)
            results = step(results)
    except BadVideoError as error:
        return Recognition(path, kind=error.kind.value, error=str(error))
    return results


def recognize_packed(
    model: BaseModel,
    paths: Sequence[str],
    packed: Sequence[dict],
    names: Sequence[str] | None = None,
    topk: int = 5,
    attention: bool = True,
) -> Iterator[Recognition]:
    """Recognize packed samples of one size, of any dataset; ``paths`` are what to call them."""
    all_scores, maps = predict(model, packed, attention)
    for place, (path, data, scores) in enumerate(zip(paths, packed, all_scores)):
        result = Recognition(path, scores=scores, frames=unit_frames(data))
        for label in scores.argsort()[::-1][:topk]:
            prediction = Prediction(int(label), names_of(label, names), float(scores[label]))
            result.predictions.append(prediction)
        for location, found in maps.items():
            result.maps[location] = {name: weights[place] for name, weights in found.items()}
        sample = data["data_samples"]
        if result.frames is not None and "frame_inds" in sample:
            result.frame_inds = np.asarray(sample.frame_inds).reshape(result.frames.shape[:2])
        result.fps = float(sample.get("avg_fps", 0))
        result.total_frames = int(sample.get("total_frames", 0))
        yield result


@torch.no_grad()
def predict(
    model: BaseModel, packed: Sequence[dict], attention: bool = True
) -> tuple[np.ndarray, dict[str, dict[str, np.ndarray]]]:
    """Run packed videos of one size through a recognizer.

    Returns:
        Scores (N, classes), and attention maps (N, U, ...) of the first view by location and name;
        none for networks without attention.
    """
    data = model.data_preprocessor(pseudo_collate(packed), False)
    inputs, samples = data["inputs"], data["data_samples"]
    maps: dict[str, dict[str, Tensor]] = {}
    # A preprocessor may regroup units, as V4D's combinations do; their maps fit no frames.
    as_packed = inputs.shape[1:3] == packed[0]["inputs"].shape[:2]
    has_blocks = isinstance(model.backbone, Blocks4dMixin) and not model.with_neck
    if attention and as_packed and has_blocks:
        views = inputs.flatten(0, 1)
        at_once = (model.test_cfg or {}).get("max_testing_views") or len(views)
        if at_once < len(views) and len(packed) == 1:
            first, *others = views.split(at_once)
            features = torch.cat([model.backbone(first, maps), *map(model.backbone, others)])
        else:
            features = model.backbone(views, maps)
        samples = model.cls_head.predict(features, samples)
    else:
        samples = model(inputs, samples, mode="predict")
    found = {
        location: {
            name: weights.unflatten(0, (len(packed), -1))[:, 0].float().cpu().numpy()
            for name, weights in by_name.items()
        }
        for location, by_name in maps.items()
        if by_name
    }
    return scores_of(model, samples), found


def scores_of(model: BaseModel, samples: Sequence[ActionDataSample]) -> np.ndarray:
    """Stack predictions: (N, classes).

    Raises:
        ValueError: they are no numbers.
    """
    scores = torch.stack([sample.pred_score for sample in samples]).float()
    if not scores.isfinite().all():
        raise ValueError("the network's scores are no finite numbers: are its weights?")
    return each_label(model.cls_head, scores).cpu().numpy()


def each_label(head: nn.Module, scores: Tensor) -> Tensor:
    """Make one probability for each class, (N, classes), of what a head's ``predict`` gives.

    By its ``average_clips`` those are probabilities, logits, or logits of each view.
    """
    if head.average_clips == "prob":
        return scores
    scores = scores.sigmoid() if head.multi_class else scores.softmax(-1)
    return scores.mean(1) if head.average_clips is None else scores


def list_videos(source: str | os.PathLike) -> list[str]:
    """List the videos that a path names: a video, a folder, or a text file with a path a line.

    A folder is searched through for files with a video's suffix that are not hidden. Lines of a
    list may end in labels, as annotation files do; paths in it are relative to the list, or to
    ``videos`` beside it.

    Raises:
        FileNotFoundError: there is no such path.
        ValueError: a folder or list without videos.
    """
    source = Path(source)
    if not source.exists():
        raise FileNotFoundError(f"{source} does not exist")
    if source.is_dir():
        if not (found := videos_below(source)):
            raise ValueError(f"{source} holds no file that ends in {', '.join(VIDEO_SUFFIXES)}")
        return found
    if source.suffix.lower() not in (".txt", ".lst", ".list"):
        return [str(source)]
    found = []
    for line in read_lines(source):
        while not (there := beside(source, line)) and re.search(r"[\s,]\d+$", line):
            line = re.sub(r"[\s,]+\d+$", "", line)  # without a label
        found.append(there or str(source.parent / line))
    if not found:
        raise ValueError(f"{source} lists no video")
    return found


def videos_below(folder: Path) -> list[str]:
    """List the files in a folder, and those in it, that have a video's suffix and are not hidden.

    Folders that cannot be read are left out with a warning.
    """

    def warn(error: OSError) -> None:
        warnings.warn(f"left out {error.filename}: {error.strerror}", stacklevel=2)

    inside: list[Path] = []
    for where, inner, names in os.walk(folder, onerror=warn, followlinks=True):
        if os.path.realpath(where) in map(os.path.realpath, Path(where).parents):
            inner.clear()  # a link that leads back
            continue
        inner[:] = [name for name in inner if name[0] != "."]
        inside += [Path(where, name) for name in names if name[0] != "."]
    return [str(path) for path in sorted(inside) if path.suffix.lower() in VIDEO_SUFFIXES]


def beside(source: Path, name: str) -> str | None:
    """Find a file that a list names: beside the list or in ``videos``, as prepared data lie.

    A list may have been written on Windows.
    """
    names = name, name.replace("\\", "/")
    paths = (video_file(source.parent / f / n) for n in names for f in ("", "videos"))
    return next(filter(os.path.exists, paths), None)
