"""A plain config made from the recipe for small videos, with the data and the choices filled in."""

import os
import re
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from mmcv.cnn import ConvModule
from mmengine.config import Config
from torch import Tensor

from f4d_mmaction.datasets.unwrapping import find_sampler
from f4d_mmaction.engine.checkpoints import AtomicBackend
from f4d_mmaction.models.weights import load_checked
from mmaction.registry import MODELS

from .finding import Say, Video, digest_of

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "_base_"
FINE_TUNING = 0.1  # of the learning rate from scratch
COLORS = dict(type="ColorJitter", brightness=0.2, contrast=0.2, saturation=0.2, hue=0.0)
VALIDATIONS = 10  # in a training
SUBSETS = "train", "val", "test"
KNOWN = "trained_on.txt"  # digests of what the network of --from was trained on
BLOCKS = {(2, False): 18, (6, False): 34, (6, True): 50, (23, True): 101}  # of stage 3: the depth


def short_side(args: Namespace) -> int:
    """Pixels, even, to which larger videos are shrunk: room for crops of the wanted size."""
    return 2 * max(1, round((args.short_side or 1.25 * args.size) / 2))


def write_lists(videos: Sequence[Video], classes: Sequence[str], folder: Path) -> None:
    for subset in SUBSETS:
        chosen = [video for video in videos if video.split == subset]
        lines = [f"{video.file} {classes.index(video.label)}\n" for video in chosen]
        (folder / f"{subset}.txt").write_text("".join(lines), encoding="utf-8")
    text = "".join(f"{name}\n" for name in classes)
    (folder / "classes.txt").write_text(text, encoding="utf-8")


def base(moving: bool) -> Config:
    """The recipe for small videos, or that for networks that see frames less their mean."""
    kind = "moving" if moving else "small"
    parts = f"models/f4d_r18_{kind}", f"datasets/{kind}_videos", "schedules/small_videos"
    paths = [str(CONFIGS / f"{part}.py") for part in (*parts, "default_runtime")]
    return Config.fromstring(f"_base_ = {paths}", ".py")


def make_config(
    args: Namespace, folder: Path, classes: Sequence[str], sampler: dict, averaged: bool
) -> Config:
    """Fill in the recipe; ``averaged`` leaves the 4D blocks out, which is SlowOnly."""
    config = base(args.moving)
    backbone, head = config.model.backbone, config.model.cls_head
    rate = args.batch / config.train_dataloader.batch_size
    if args.width:
        backbone.base_channels = args.width
    if args.checkpoint:
        start = folder / ("averaged_trunk.pth" if averaged else "trunk.pth")  # both are trained
        start_from(config, args.checkpoint, start, averaged)
        rate *= FINE_TUNING
    if averaged:
        backbone.placement = (0, 0, 0, 0)
    top_k = (1, 5) if len(classes) > 5 else (1,)
    width = backbone.base_channels * (32 if backbone.depth >= 50 else 8)
    head.update(in_channels=width, num_classes=len(classes), topk=top_k)
    for subset in SUBSETS:
        loader = config[f"{subset}_dataloader"]
        loader.update(batch_size=args.batch, num_workers=max(1, args.workers - 1))
        data, pipeline = loader.dataset, loader.dataset.pipeline
        data.ann_file = str(folder / f"{subset}.txt")
        data.data_prefix = dict(video=str(folder / "videos"))
        data.metainfo = dict(classes=str(folder / "classes.txt"))
        find_sampler(pipeline).update(sampler)
        for step in pipeline:
            if step["type"] == "Resize":
                step.scale = (args.size, args.size)
        # As the copies were shrunk, so that a network sees other videos like those of its training.
        shrink = dict(type="Resize", scale=(-1, short_side(args)), interpolation="area")
        pipeline.insert([step["type"] for step in pipeline].index("DecodeUnits") + 1, shrink)
        if subset == "train":
            pipeline[-2:-2] = [dict(COLORS), dict(type="Flip")][: 1 + args.flip]
    config.test_pipeline = config.test_dataloader.dataset.pipeline  # for the host's inference
    for evaluator in (config.val_evaluator, config.test_evaluator):
        evaluator.metric_options = dict(top_k_accuracy=dict(topk=top_k))
    every = max(1, args.epochs // VALIDATIONS)
    config.param_scheduler[0].eta_max *= rate
    config.param_scheduler[0].total_steps = args.epochs
    config.optim_wrapper.optimizer.lr *= rate
    config.auto_scale_lr.base_batch_size = args.batch
    config.train_cfg.update(max_epochs=args.epochs, val_interval=every)
    config.default_hooks.checkpoint.update(interval=every, save_best=None)
    config.randomness = dict(seed=0)
    return config


def config_of(checkpoint: str) -> str:
    """The config that a checkpoint keeps, as a text; "None" where it keeps none."""
    return str((load_checked(checkpoint).get("meta") or {}).get("cfg"))


def trained_on(checkpoint: str, say: Say) -> set[str]:
    """Digests, as in the names of the copies, of what trained a network of `train_folder.py`."""
    loader = re.search(r"^train_dataloader\s*=.*?(?=^\w|\Z)", config_of(checkpoint), re.M | re.S)
    found = re.search(r"""ann_file=\s*(['"])(.*?)\1""", loader[0]) if loader else None
    if found is None:
        return set()
    named = found[2]
    paths = Path(named), Path(checkpoint).resolve().parent.with_name("train.txt")
    path = next(filter(Path.is_file, paths), None)
    lines = path.read_text("utf-8", "replace").splitlines() if path else []
    copies = [line.rpartition(" ")[0] for line in lines]  # before the label
    if path is None or not all(re.search("-[0-9a-f]{8}$", os.path.splitext(c)[0]) for c in copies):
        why = "a list of another tool" if path else "which is gone"
        say(f"--from was trained on the videos of {named}, {why}: what is tested here may be among "
            "them")  # fmt: skip
        return set()
    earlier = path.with_name(KNOWN)
    known = earlier.read_text().split() if earlier.is_file() else []
    return {*map(digest_of, copies), *known}


def start_from(config: Config, checkpoint: str, trunk: Path, averaged: bool) -> None:
    """Start from a checkpoint of ours or MMAction2's, or from an image network to inflate.

    Its weights are written to ``trunk`` under the names that they have in our networks, without 4D
    blocks if ``averaged``; those of an image network under torchvision's names, which the host
    inflates.
    """
    weights = load_checked(checkpoint)
    weights = weights.get("state_dict", weights.get("model", weights))
    items = weights.items() if isinstance(weights, Mapping) else ()
    tensors = {key: weight for key, weight in items if isinstance(weight, Tensor)}
    found = {key.removeprefix("module.").removeprefix("backbone."): w for key, w in tensors.items()}
    stem = found.get("conv1.conv.weight", found.get("conv1.weight"))
    blocks = {key.split(".")[1] for key in found if key.startswith("layer3.")}
    deep = any(key.startswith("layer1.0.conv3") for key in found)
    foreign = stem is not None and stem.ndim == 5 and "conv1.conv.weight" not in found
    if stem is None or foreign or (len(blocks), deep) not in BLOCKS:
        raise ValueError(
            f"--from {checkpoint}: expected a ResNet-18, 34, 50 or 101, in 3D by MMAction2's names"
        )
    config.model.backbone.update(depth=BLOCKS[len(blocks), deep], base_channels=stem.shape[0])
    images = {_torchvision_name(key): weight for key, weight in found.items()}
    require_all(config.model.backbone, images, checkpoint)
    if stem.ndim == 4:
        torch.save(dict(state_dict=images), trunk)
        config.model.backbone.pretrained = str(trunk)
    else:
        own = {
            key if key.startswith("cls_head.") else f"backbone.{key}": weight
            for key, weight in found.items()
            if not (averaged and key.startswith("blocks4d."))
        }
        torch.save(dict(state_dict=own), trunk)
        config.load_from = str(trunk)


def require_all(backbone: dict, weights: dict[str, Tensor], checkpoint: str) -> None:
    """Refuse a network of which the host would load or inflate a part and draw the rest.

    Raises:
        ValueError: it lacks a kernel of the trunk, or has one of another shape.
    """
    with torch.device("meta"):
        trunk = MODELS.build({**backbone, "pretrained": None, "placement": (0, 0, 0, 0)})
    for name, module in trunk.named_modules():
        if isinstance(module, ConvModule):
            key = f"{name}.0.weight" if "downsample" in name else f"{name}.weight"
            wanted, found = tuple(module.conv.weight.shape), weights.get(key)
            if weights["conv1.weight"].ndim == 4:  # of images
                wanted = wanted[:2] + wanted[3:]
            if found is None or found.shape != wanted:
                has = f"{key} of shape {tuple(found.shape)}" if found is not None else f"no {key}"
                raise ValueError(
                    f"--from {checkpoint} has {has}; expected {wanted} of a ResNet or SlowOnly"
                )


def _torchvision_name(key: str) -> str:
    """``conv1.bn.bias`` of the host's ConvModule is ``bn1.bias``; TSM wraps kernels in ``net``."""
    for old, new in (
        (r"conv\.net\.", "conv."),
        (r"conv(\d)\.bn\.", r"bn\1."),
        (r"(conv\d)\.conv\.", r"\1."),
        (r"downsample\.conv\.", "downsample.0."),
        (r"downsample\.bn\.", "downsample.1."),
    ):
        key = re.sub(old, new, key)
    return key


def write_config(config: Config, path: Path, remarks: Sequence[str]) -> None:
    """Write a config that stands alone, with comments above it; all of it or nothing."""
    text = "".join(f"# {' '.join(line.split())}\n" for line in remarks) + "\n" + config.pretty_text
    AtomicBackend().put(text.encode("utf-8", "replace"), path)
