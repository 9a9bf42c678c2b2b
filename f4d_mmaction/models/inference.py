"""The fast way to run a trained recognizer: low precision, channels last, compiled."""

from __future__ import annotations

import shutil
from contextlib import nullcontext

import torch
from mmengine.logging import MMLogger
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch._inductor import config as inductor

from ..cpu_memory import keep_freed_memory


def prepare_for_inference(
    model: BaseModel,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    compile: bool = True,
) -> BaseModel:
    """Make a recognizer's backbone fast on its device, in place; features come out in float32.

    The backbone is laid out channels last and, unless ``compile`` is off, compiled as one graph. On
    the CPU its weights are frozen into the graph with the normalisations folded in, so weights
    loaded later go unseen; the first call of each input shape compiles, which takes from seconds to
    minutes. The process keeps the memory that tensors free.

    Args:
        model: A recognizer with its weights loaded; any of MMAction2's with a ``backbone``.
        device: Where to run; by default where the model is.
        dtype: ``torch.float32``, or the autocast type; by default the device's best of bfloat16,
            float16 (old GPUs) and float32 (CPUs without bfloat16 instructions).
        compile: Compile the backbone; on the CPU only where there is a C++ compiler.

    Returns:
        The model, in evaluation mode.

    Raises:
        TypeError: the model has no backbone.
        ValueError: ``dtype`` is no type of autocast.
    """
    backbone = getattr(model, "backbone", None)
    if not isinstance(backbone, nn.Module):
        raise TypeError(
            f"expected a recognizer with a backbone, got {type(model).__name__}; build it from a "
            "config, e.g. with mmaction.apis.init_recognizer"
        )
    if dtype not in (None, torch.float32, torch.float16, torch.bfloat16):
        raise ValueError(f"dtype must be float32, float16 or bfloat16, got {dtype}")
    model = model.to(device) if device is not None else model
    model.eval()
    model.requires_grad_(False)
    device = next(model.parameters()).device
    dtype = dtype or best_dtype(device)
    use_channels_last(backbone)
    if device.type == "cpu":
        keep_freed_memory()
    logger = MMLogger.get_current_instance()
    if compile and device.type == "cpu" and not has_compiler():
        logger.warning("No C++ compiler found (apt-get install g++): the network is not compiled")
        compile = False
    # The last `forward` in place is the plain one, so that preparing twice compiles once.
    plain = type(backbone).forward.__get__(backbone)
    forward = torch.compile(plain, fullgraph=True) if compile else plain
    freezes = compile and device.type == "cpu"

    @torch.no_grad()
    def fast_forward(x: Tensor, *args: object, **kwargs: object) -> Tensor | tuple[Tensor, ...]:
        # Whoever wants more than features, such as attention maps, gets it uncompiled.
        run = plain if args or kwargs else forward
        # Not an option of `torch.compile`, which the tracing of the graph would not see.
        freezing = inductor.patch(freezing=True) if freezes else nullcontext()
        with freezing, torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            features = run(x, *args, **kwargs)
        return (
            features.float()
            if isinstance(features, Tensor)
            else tuple(feature.float() for feature in features)
        )

    backbone.forward = fast_forward
    logger.info(
        f"Fast inference on {device}: {str(dtype).removeprefix('torch.')}, channels last, "
        f"{'compiled' if compile else 'not compiled'}"
    )
    return model


def has_compiler() -> bool:
    """Whether there is a C++ compiler, which `torch.compile` needs on the CPU."""
    names = inductor.cpp.cxx
    names = (names,) if isinstance(names, str) else names
    return any(name and shutil.which(name) for name in names)


def best_dtype(device: torch.device) -> torch.dtype:
    """Name the fastest type that the device computes in natively."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # in torch.cpu, where known
    native = device.type == "cpu" and any(getattr(torch.cpu, n, bool)() for n in names)
    return torch.bfloat16 if native else torch.float32


def use_channels_last(backbone: nn.Module) -> None:
    """Lay the weights out channels last; 2D and 3D networks each have their own format."""
    dims = {p.ndim for p in backbone.parameters()}
    backbone.to(memory_format=torch.channels_last_3d if 5 in dims else torch.channels_last)
    if hasattr(backbone, "channels_last"):
        backbone.channels_last = True
