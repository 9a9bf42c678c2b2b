"""Export a checkpoint to ONNX, torch.export and INT8, and check each file on real videos.

The exported graph holds the normalization, so it takes decoded frames as they are. What it cannot
hold, the sampling and the crops before it, travels as the ONNX file's metadata; `infer_onnx.py`
reads it.
"""

import argparse
import copy
import json
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmcv.cnn import ConvModule
from mmengine.config import Config, DictAction
from mmengine.dataset import pseudo_collate
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from f4d_mmaction.analysis.timing import take_turns, timed
from f4d_mmaction.apis import load_recognizer
from f4d_mmaction.apis.recognition import each_label
from f4d_mmaction.datasets.unwrapping import find_sampler, labels_of, tested_dataset, unwrapped
from f4d_mmaction.datasets.video_errors import BadVideoError
from f4d_mmaction.engine.launch import load_config
from f4d_mmaction.models.inference import prepare_for_inference
from f4d_mmaction.models.preprocessing import UnitCombinations, less_mean_frame
from f4d_mmaction.models.resnet4d import Blocks4dMixin
from mmaction.registry import DATASETS
from mmaction.utils import get_str_type

FORMATS = ("onnx", "pt2", "int8")
# What a test pipeline may do to a frame between decoding and packing.
SPATIAL_STEPS = ("Resize", "CenterCrop", "ThreeCrop")
INTERPOLATIONS = ("bilinear", "area")
CALIBRATION_VIDEOS = 32
WHERE = ("ann_file", "data_root", "data_prefix")  # of a list and its videos
TIMED_ROUNDS = 11

Scorer = Callable[[np.ndarray], "tuple[np.ndarray, ...]"]  # frames to scores and logits


class FramesToScores(nn.Module):
    """A recognizer as one graph, from raw frames to class scores averaged over views.

    Raises:
        ValueError: the recognizer's backbone does not read units.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, recognizer: BaseModel) -> None:
        super().__init__()
        if not isinstance(recognizer.backbone, Blocks4dMixin) or recognizer.with_neck:
            raise ValueError(
                f"cannot export {type(recognizer.backbone).__name__}: expected a backbone of "
                "f4d_mmaction that takes units (ResNet4d, with or without 4D blocks), and no neck"
            )
        if isinstance(recognizer.data_preprocessor, UnitCombinations):
            raise ValueError(
                "cannot export UnitCombinations, which makes many inputs of a video: give the "
                "config whose data_preprocessor is ActionUnits, with its other arguments"
            )
        self.backbone = recognizer.backbone
        self.head = recognizer.cls_head
        preprocessor = recognizer.data_preprocessor
        self.swap_channels = preprocessor.to_rgb
        self.subtract_mean_frame = getattr(preprocessor, "subtract_mean_frame", False)
        self.register_buffer("mean", getattr(preprocessor, "mean", torch.zeros(1)))
        self.register_buffer("std", getattr(preprocessor, "std", torch.ones(1)))
        self.eval()

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Map frames (N, views, U, C, T, H, W) to scores (N, K) and logits (N, views, K).

        Frames are of 0 to 255, scores the probabilities that ``recognize`` gives.
        """
        views = frames.shape[1]
        if self.swap_channels:
            frames = frames.flip(3)
        video = frames.flatten(0, 1).float()
        if self.subtract_mean_frame:
            video = less_mean_frame(video)
        video = (video - self.mean) / self.std
        logits = self.head(self.backbone(video)).unflatten(0, (-1, views))
        each = logits.softmax(2) if self.head.average_clips == "prob" else logits
        scores = each if self.head.average_clips is None else each.mean(1)
        return each_label(self.head, scores), logits

    @torch.no_grad()
    def score(self, frames: np.ndarray) -> tuple[np.ndarray, ...]:
        return as_arrays(self(torch.from_numpy(frames)))


@dataclass
class Check:
    """One exported file beside PyTorch on the same videos."""

    format: str
    path: Path | None
    megabytes: float
    logit_error: float  # largest absolute difference
    agreeing: int  # videos with PyTorch's top-1
    correct: int  # videos with the annotated top-1
    videos: int
    milliseconds: float  # median for one video

    def __str__(self) -> str:
        return (
            f"{self.format:<8} {self.megabytes:7.2f} MB  max |logit error| {self.logit_error:.1e}  "
            f"top-1 as PyTorch {self.agreeing}/{self.videos}, right {self.correct}/{self.videos}  "
            f"{self.milliseconds:.1f} ms/video  {self.path or ''}"
        )


def export(
    config: Config,
    checkpoint: str,
    out_dir: str,
    formats: Sequence[str] = ("onnx", "pt2"),
    fixed_units: bool = False,
    num_videos: int = 32,
    labels: str | Sequence[str] | None = None,
    keep_conv3d: bool = False,
) -> list[Check]:
    """Export a checkpoint and check each file against PyTorch on videos of the config's test set.

    Files are named as the config; 'int8' quantizes the ONNX file, in which 2D convolutions do the
    work of 3D ones unless ``keep_conv3d``. Returns PyTorch's own check, then one for each file.

    Raises:
        FileNotFoundError: the checkpoint or the config's annotation file is missing.
        ValueError: a format, network or pipeline that cannot be exported, or a checkpoint or labels
            that do not fit.
        ImportError: PyTorch is too old, or a package of the extra ``export`` is missing.
    """
    if not set(formats) <= set(FORMATS) or ("int8" in formats and "onnx" not in formats):
        raise ValueError(
            f"formats must be of {', '.join(FORMATS)}, and int8 needs onnx; got {' '.join(formats)}"
        )
    recognizer = load_recognizer(config, checkpoint, "cpu", labels)
    # Only this part of the fast mode fits into a file; its user chooses compiling and precision.
    prepare_for_inference(recognizer, dtype=torch.float32, compile=False)
    network = FramesToScores(recognizer)
    metadata = describe_input(config, recognizer.class_names)
    tested = tested_dataset(config)
    samples = read_samples(tested, num_videos)
    program = export_program(network, samples[0]["inputs"][None], fixed_units)

    folder, name = Path(out_dir), Path(config.filename).stem
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, tuple[Path | None, Scorer]] = {"PyTorch": (None, network.score)}
    if "onnx" in formats:
        path = save_onnx(program, folder / f"{name}.onnx", metadata, keep_conv3d)
        files["onnx"] = path, onnx_scorer(path)
    if "pt2" in formats:
        path = folder / f"{name}.pt2"
        torch.export.save(program, path)
        loaded = torch.export.load(path).module()
        files["pt2"] = path, lambda frames: as_arrays(loaded(torch.from_numpy(frames)))
    if "int8" in formats:
        trained = next(unwrapped(config.train_dataloader.dataset))
        # In the form that the test pipeline reads, whatever kind of dataset trains.
        same = {key: value for key, value in tested.items() if key not in WHERE}
        listed = {key: trained[key] for key in WHERE if key in trained}
        shown = read_samples({**same, **listed}, CALIBRATION_VIDEOS)
        path = quantize(folder / f"{name}.onnx", folder / f"{name}_int8.onnx", shown)
        files["int8"] = path, onnx_scorer(path)
    return compare(recognizer, files, samples)


def export_program(
    network: FramesToScores, example: Tensor, fixed_units: bool = False
) -> "torch.export.ExportedProgram":
    """Capture the network for inputs like ``example``, (N, views, U, C, T, H, W) of uint8.

    The trunk's normalizations are folded into its convolutions, as the blocks fold theirs: next to
    a reshaping no runtime can.

    Raises:
        ImportError: PyTorch is too old to leave sizes open.
    """
    size = getattr(getattr(torch, "export", None), "Dim", None)
    if not hasattr(size, "DYNAMIC"):
        raise ImportError(
            f"PyTorch {torch.__version__} cannot export with sizes left open; checkpoints of it "
            'can be exported elsewhere, where PyTorch 2.13 was tried: pip install "torch>=2.13"'
        )
    network = copy.deepcopy(network)
    for module in network.modules():
        is_one = isinstance(getattr(module, "conv", None), (nn.Conv2d, nn.Conv3d))
        is_plain = isinstance(getattr(module, "norm", None), nn.modules.batchnorm._BatchNorm)
        if isinstance(module, ConvModule) and is_one and is_plain:
            module.conv = fuse_conv_bn_eval(module.conv, module.norm)
            setattr(module, module.norm_name, nn.Identity())
    axes = range(2 if fixed_units else 3)
    # An axis of size 1 would be captured as the constant 1.
    shape = [max(size, 2) if axis in axes else size for axis, size in enumerate(example.shape)]
    frames = torch.zeros(shape, dtype=torch.uint8)
    # DYNAMIC, not a named Dim: a guard on strides, true for every size, is beyond its prover.
    sizes = dict.fromkeys(axes, torch.export.Dim.DYNAMIC)
    with torch.no_grad():
        return torch.export.export(
            network, (frames,), dynamic_shapes={"frames": sizes}, strict=False
        )


def save_onnx(
    program: "torch.export.ExportedProgram",
    path: Path,
    metadata: dict[str, str],
    keep_conv3d: bool = False,
) -> Path:
    """Write a captured network as ONNX: ``frames`` to ``scores`` and ``logits``.

    By the exporter that reads ``torch.export``'s graph: the older one, which traces TorchScript,
    cannot follow memory in channels-last order.
    """
    if not keep_conv3d:
        program = program.run_decompositions({torch.ops.aten.conv3d.default: conv3d_by_2d})
    onnx: torch.onnx.ONNXProgram = torch.onnx.export(  # type: ignore[assignment]  # by dynamo
        program,
        dynamo=True,
        input_names=["frames"],
        output_names=["scores", "logits"],
        verbose=False,
    )
    onnx.model.metadata_props.update(metadata)
    onnx.save(str(path))
    return path


def conv3d_by_2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1, 1, 1),
    padding: Sequence[int] = (0, 0, 0),
    dilation: Sequence[int] = (1, 1, 1),
    groups: int = 1,
) -> Tensor:
    """Return ``F.conv3d`` of (N, C, T, H, W) and a kernel that spans time or space by one in 2D.

    ONNX Runtime's fast kernels, above all those of 8 bits, are of 2D convolutions. Another kernel
    stays in 3D, which a table of decompositions says with ``NotImplemented``.
    """
    t, h, w = weight.shape[2:]
    if h == w == 1 and (*stride[1:], *padding[1:]) == (1, 1, 0, 0):
        line = (stride[0], 1), (padding[0], 0), (dilation[0], 1)
        y = F.conv2d(x.flatten(3), weight.squeeze(4), bias, *line, groups)
        return y.unflatten(3, x.shape[3:])
    if t == 1 and (stride[0], padding[0]) == (1, 0):
        frames, kernel = x.transpose(1, 2).flatten(0, 1), weight.squeeze(2)
        y = F.conv2d(frames, kernel, bias, stride[1:], padding[1:], dilation[1:], groups)
        return y.unflatten(0, (-1, x.shape[2])).transpose(1, 2)
    return NotImplemented


def quantize(path: Path, out: Path, calibration: Sequence[dict]) -> Path:
    """Write an ONNX file's convolutions and matrix products in 8 bits.

    The samples of ``calibration`` show the range of every activation.
    """
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Frames(quantization.CalibrationDataReader):
        left = iter(calibration)

        def get_next(self) -> dict[str, np.ndarray] | None:
            sample = next(self.left, None)
            return sample and {"frames": sample["inputs"].numpy()[None]}

    prepared = out.with_suffix(".prepared")
    try:
        quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
        quantization.quantize_static(
            str(prepared),
            str(out),
            Frames(),
            per_channel=True,
            op_types_to_quantize=["Conv", "MatMul", "Gemm"],
        )
    finally:
        prepared.unlink(missing_ok=True)
    return out


def describe_input(config: Config, labels: Sequence[str]) -> dict[str, str]:
    """Say in JSON what the test pipeline does before the network, for the ONNX file's metadata.

    Raises:
        ValueError: the description does not support the pipeline's sampling or cropping.
    """
    pipeline = tested_dataset(config)["pipeline"]
    steps = [dict(step, type=get_str_type(step["type"])) for step in pipeline]
    sampler = find_sampler(steps)
    names = [step["type"] for step in steps]
    between = steps[steps.index(sampler) + 1 : names.index("FormatActionUnits")]
    between = [step for step in between if "Decode" not in step["type"]]
    strange = [step for step in between if not is_exported(step)]
    if strange:
        raise ValueError(
            f"the test pipeline's {', '.join(map(str, strange))} cannot be exported; expected only "
            f"{', '.join(SPATIAL_STEPS)} between decoding and FormatActionUnits, "
            f"{' or '.join(INTERPOLATIONS)} to a size in pixels and not lazy"
        )
    defaults = dict(frame_interval=1, short="shrink")
    keys = ("num_units", "clip_len", "frame_interval", "short")
    sampling = {key: {**defaults, **sampler}[key] for key in keys}
    described = dict(sampling=sampling, steps=between, labels=list(labels))
    return {key: json.dumps(value) for key, value in described.items()}


def is_exported(step: dict) -> bool:
    """Whether `infer_onnx.py` does all that a step of the test pipeline does to a frame."""
    plain = step.get("interpolation", "bilinear") in INTERPOLATIONS and not step.get("lazy")
    return step["type"] in SPATIAL_STEPS and plain and not isinstance(step.get("scale"), float)


def read_samples(dataset: dict, count: int) -> list[dict]:
    """Read videos from all of a dataset's list, which may go class by class, as it packs them.

    Raises:
        FileNotFoundError: the annotation file is missing.
        ValueError: there is no good video.
    """
    init_default_scope("mmaction")
    videos = DATASETS.build(dict(dataset, test_mode=True))
    samples = []
    count = min(count, len(videos))
    for index in np.linspace(0, len(videos) - 1, count).round().astype(int):
        try:
            samples.append(videos[int(index)])
        except BadVideoError as error:
            print(f"BAD {error}", file=sys.stderr)
    if not samples:
        raise ValueError(f"{dataset['ann_file']} lists no good video to check the export on")
    return samples


def compare(
    recognizer: BaseModel, files: dict[str, tuple[Path | None, Scorer]], samples: list[dict]
) -> list[Check]:
    """Run every file's scorer on the same videos, beside the recognizer's own test step."""
    frames = [sample["inputs"].numpy()[None] for sample in samples]
    truth = [labels_of(sample["data_samples"].gt_label) for sample in samples]
    with torch.no_grad():
        wanted = [recognizer.test_step(pseudo_collate([sample]))[0] for sample in samples]
    top1 = np.array([int(result.pred_score.argmax()) for result in wanted])
    reference = [files["PyTorch"][1](video)[1] for video in frames]
    tensors = recognizer.state_dict().values()
    weights = sum(tensor.nbytes for tensor in tensors)
    timers = [lambda score=score: timed(lambda: score(frames[0])) for _, score in files.values()]
    checks = []
    for (name, (path, score)), seconds in zip(files.items(), take_turns(timers, TIMED_ROUNDS)):
        scores, logits = zip(*(score(video) for video in frames))
        chosen = np.array([each.argmax() for each in scores])
        checks.append(
            Check(
                format=name,
                path=path,
                megabytes=(path.stat().st_size if path else weights) / 1e6,
                logit_error=max(float(np.abs(a - b).max()) for a, b in zip(logits, reference)),
                agreeing=int((chosen == top1).sum()),
                correct=sum(each in labels for each, labels in zip(chosen, truth)),
                videos=len(samples),
                milliseconds=1e3 * statistics.median(seconds),
            )
        )
    return checks


def onnx_scorer(path: Path) -> Scorer:
    """Open an ONNX file under onnxruntime on the CPU, with as many threads as PyTorch uses."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    return lambda frames: tuple(session.run(["scores", "logits"], {"frames": frames}))


def as_arrays(outputs: tuple[Tensor, ...]) -> tuple[np.ndarray, ...]:
    return tuple(output.detach().numpy() for output in outputs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("checkpoint")
    parser.add_argument(
        "--out-dir", help="where the files go; default: export/ beside the checkpoint"
    )
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=["onnx", "pt2"])
    parser.add_argument("--fixed-units", action="store_true", help="keep U as the config tests")
    parser.add_argument(
        "--keep-conv3d",
        action="store_true",
        help="3D convolutions in the ONNX file: faster in OpenVINO, slower in ONNX Runtime",
    )
    parser.add_argument("--num-videos", type=int, default=32, help="test videos to check on")
    parser.add_argument("--labels", help="text file with a class name a line")
    parser.add_argument(
        "--cfg-options", nargs="+", action=DictAction, default={}, metavar="KEY=VALUE"
    )
    options = vars(parser.parse_args())
    if options["num_videos"] < 1:
        parser.error(f"--num-videos must be at least 1, got {options['num_videos']}")
    if options["out_dir"] is None:
        given = options["checkpoint"]
        folder = "work_dirs" if "://" in given else os.path.dirname(given)
        options["out_dir"] = os.path.join(folder, "export")
    try:
        config = load_config(options.pop("config"), None, options.pop("cfg_options"), "none")
        checks = export(config, **options)
    except (ImportError, ValueError, OSError) as error:
        needs = '; it needs: pip install "f4d_mmaction[export]"'
        missing = needs if isinstance(error, ModuleNotFoundError) else ""
        parser.error(f"{error}{missing}")
    print(*checks, sep="\n")


if __name__ == "__main__":
    main()
