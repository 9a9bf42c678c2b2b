"""The fast way to run a trained recognizer: low precision, channels last, compiled."""

import os
import shutil
from contextlib import nullcontext
from functools import partial
from importlib.util import find_spec

import torch
from mmengine.logging import MMLogger
from mmengine.model import BaseModel
from packaging.version import Version
from torch import Tensor, nn

from .compiling import compile_each_shape

COMPILED_SHAPES = 8  # each takes a minute, and the memory of the weights


def prepare_for_inference(
    model: BaseModel,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    compile: bool = True,
) -> BaseModel:
    """Make a recognizer's backbone fast on its device, in place; features come out in float32.

    The backbone is laid out channels last and, unless ``compile`` is off, compiled as one graph, on
    the CPU with its weights frozen in and the normalizations folded. The first call of each input
    shape compiles, which takes seconds to minutes; after ``COMPILED_SHAPES`` of them others run
    uncompiled. The same model is returned, in evaluation mode; compiled or in low precision, its
    backbone raises ``ValueError`` in training mode. Copies, and changed weights, compile anew.

    Args:
        model: A recognizer with its weights loaded; any of MMAction2's with a ``backbone``.
        device: Where to run; by default where the model is.
        dtype: ``torch.float32``, or the autocast type; by default the device's best of bfloat16,
            float16 (old GPUs) and float32 (CPUs without bfloat16 instructions).
        compile: Compile the backbone, from PyTorch 2.4; on the CPU only with a C++ compiler.

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
    model = model.float() if device is None else model.float().to(device)
    model.eval().requires_grad_(False)
    home: torch.device = next(model.parameters()).device
    dtype = dtype or best_dtype(home)
    use_channels_last(backbone)
    logger = MMLogger.get_current_instance()
    if compile and not can_compile(home):
        needs = "PyTorch 2.4, g++ (apt-get install g++), and on a GPU Triton and a Volta or newer"
        logger.warning(f"Not compiled: needs {needs}")
        compile = False
    # From the plain network, also if it was prepared before or compiled by its config.
    backbone.__dict__.pop("forward", None)
    backbone._compiled_call_impl = None  # `Module.compile` has no public way back
    if compile or dtype != torch.float32:
        backbone.forward = FastForward(backbone, dtype, compile)
    logger.info(
        f"Fast inference on {home}: {str(dtype).removeprefix('torch.')}, channels last, "
        f"{'compiled' if compile else 'not compiled'}"
    )
    return model


class FastForward:
    """A backbone's forward pass in low precision, compiled for the input shapes that come first.

    Each shape has its own graph: one for all shapes is slower, and inductor fails on some of them.
    """

    def __init__(self, backbone: nn.Module, dtype: torch.dtype, compile: bool) -> None:
        self.arguments = backbone, dtype, compile
        self.backbone, self.plain, self.dtype = backbone, backbone.forward, dtype
        self.shapes: set[tuple] = set()
        self.room = COMPILED_SHAPES if compile else 0
        self.graph: tuple | None = None  # versions of its weights, function, weights kept in place

    def __reduce__(self) -> tuple:
        """A copy, or what a pickle restores, has the copied backbone's weights in its graphs."""
        return FastForward, self.arguments

    @torch.no_grad()
    def __call__(self, x: Tensor, *args: object, **kwargs: object) -> Tensor | tuple[Tensor, ...]:
        """Run like the backbone; features come out in float32."""
        if self.backbone.training:
            raise ValueError("prepared for inference, not for training; load the model anew")
        low = torch.autocast(x.device.type, self.dtype) if self.dtype != torch.float32 else None
        with low or nullcontext():  # float32 has no autocast before PyTorch 2.2
            # Calls for more than features, such as attention maps, run uncompiled.
            plain = args or kwargs or not self.is_compiled(x)
            features = self.plain(x, *args, **kwargs) if plain else self.run_compiled(x)
        if isinstance(features, tuple):
            return tuple(feature.float() for feature in features)
        return features.float()

    def run_compiled(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Run the graph of this shape, with the weights of now: on a CPU they are part of it."""
        from torch._inductor import config  # slow, so imported where something is compiled

        frozen = x.device.type == "cpu"
        weights = [*self.backbone.parameters(), *self.backbone.buffers()] if frozen else []
        graph, now = self.graph, list(map(version, weights))
        if graph is None or graph[0] != now:
            # A backend of its own; else PyTorch takes graphs from before, with the weights of then.
            backend = partial(torch._dynamo.lookup_backend("inductor"))
            compiled = compile_each_shape(self.plain, backend=backend)
            graph = self.graph = now, compiled, [weight.detach() for weight in weights]
        # No option of `torch.compile`: the tracing of the graph would not see it.
        with config.patch(freezing=frozen):
            return graph[1](x)

    def is_compiled(self, x: Tensor) -> bool:
        """Whether inputs like ``x`` are, or will be now."""
        shape = (x.shape, x.stride(), x.dtype)
        if shape not in self.shapes and len(self.shapes) < self.room:
            self.shapes.add(shape)
            if len(self.shapes) == self.room:
                MMLogger.get_current_instance().warning(
                    f"{self.room} input shapes are compiled now; others will run uncompiled"
                )
        return shape in self.shapes


def version(weight: Tensor) -> tuple:
    """Where a weight lies, and the count of its changes; its sum where PyTorch does not count."""
    return weight.data_ptr(), float(weight.sum()) if weight.is_inference() else weight._version


def can_compile(device: torch.device) -> bool:
    """Whether `torch.compile` makes one graph of our networks and has the compilers that it needs.

    PyTorch 2.1 does not trace their forward pass; 2.4.1 is the oldest in which this was tried.
    """
    from torch._inductor import config

    names = config.cpp.cxx
    names = (names,) if isinstance(names, str) else names
    found = any(name and shutil.which(name) for name in names)
    if device.type == "cuda":  # Triton serves GPUs since Volta, and compiles C to start its kernels
        found = torch.cuda.get_device_capability(device) >= (7, 0) and bool(find_spec("triton"))
        found = found and any(map(shutil.which, (os.environ.get("CC", "cc"), "gcc", "clang")))
    return found and Version(torch.__version__) >= Version("2.4")


def best_dtype(device: torch.device) -> torch.dtype:
    """Name the fastest type that the device computes in natively."""
    if device.type == "cuda":
        native = torch.cuda.get_device_capability(device) >= (8, 0)  # older ones emulate bfloat16
        return torch.bfloat16 if native else torch.float16
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # in torch.cpu, where known
    native = device.type == "cpu" and any(getattr(torch.cpu, n, bool)() for n in names)
    return torch.bfloat16 if native else torch.float32


def use_channels_last(backbone: nn.Module) -> None:
    """Lay the weights out channels last; 2D and 3D networks each have their own format."""
    is_3d = any(parameter.ndim == 5 for parameter in backbone.parameters())
    form = torch.channels_last_3d if is_3d else torch.channels_last
    for parameter in backbone.parameters():  # `Module.to` fails where a 3D network has 2D kernels
        if parameter.ndim == (5 if is_3d else 4):
            parameter.data = parameter.data.contiguous(memory_format=form)
    if "channels_last" in vars(backbone):
        vars(backbone)["channels_last"] = True
