"""3D convolution by 2D convolutions on a view, where a kernel spans one frame or one pixel.

In ``channels_last_3d`` memory, (N, C, T, H, W) is stored N, T, H, W, C. Frames are therefore a
batch of images that needs no copy, and the pixels of a frame one long axis. SlowOnly has no other
kernels than (1, h, w) and (t, 1, 1). On the CPU, PyTorch runs a pointwise `Conv3d` of few samples
on one thread without oneDNN, which is several times slower; otherwise both are as fast.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor, nn

from .compiling import is_compiling

ONE, NONE = (1, 1, 1), (0, 0, 0)


def conv3d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = ONE,
    padding: Sequence[int] = NONE,
    dilation: Sequence[int] = ONE,
    groups: int = 1,
) -> Tensor:
    """Return what ``F.conv3d`` returns of (N, C, T, H, W) and (C', C / groups, t, h, w).

    On the CPU, an axis along which every window meets padding is padded here: in bfloat16, oneDNN
    to 3.12 leaves taps of the kernel's gradient unwritten there; with AMX it reads past x.
    """
    T, (t, h, w) = x.shape[2], weight.shape[2:]
    if x.is_contiguous(memory_format=torch.channels_last_3d) and not _frozen(x):
        if t == 1 and (stride[0], padding[0]) == (1, 0):
            flat, kernel = x.transpose(1, 2).flatten(0, 1), weight.squeeze(2)
            y = F.conv2d(flat, kernel, bias, stride[1:], padding[1:], dilation[1:], groups)
            # One frame would be left strides at which norms' backward pass in PyTorch is wrong.
            return y.unflatten(0, (-1, T)).transpose(1, 2) if T > 1 else y.unsqueeze(2)
        along_time = h == w == 1 and (*stride[1:], *padding[1:]) == (1, 1, 0, 0)
        if along_time and not torch.is_grad_enabled():  # in 3D oneDNN's backward pass is faster
            line = (stride[0], 1), (padding[0], 0), (dilation[0], 1)
            y = F.conv2d(x.flatten(3), weight.squeeze(4), bias, *line, groups)
            return y.unflatten(3, x.shape[3:])
    if x.device.type == "cpu" and not (_frozen(x) and x.dtype == torch.float32):  # keeps U free
        sizes = zip(x.shape[2:], (t, h, w), stride, padding)
        small = [p if size < k + -p % s else 0 for size, k, s, p in sizes]
        if any(small):
            x = F.pad(x, [p for p in reversed(small) for _ in range(2)])
            padding = [p - done for p, done in zip(padding, small)]
    return F.conv3d(x, weight, bias, stride, padding, dilation, groups)


def _frozen(x: Tensor) -> bool:
    """Whether inference on the CPU is traced: views would part a convolution from what joins it."""
    return is_compiling() and x.device.type == "cpu" and not torch.is_grad_enabled()


@MODELS.register_module()
class ViewConv3d(nn.Conv3d):
    """``nn.Conv3d``, computed as a 2D convolution where that copies nothing and is no slower.

    (N, C, T, H, W) -> (N, C', T', H', W'), with the parameters and numbers of ``nn.Conv3d``. To be
    named in a trunk's ``conv_cfg``.
    """

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.padding_mode != "zeros" or isinstance(self.padding, str):
            return super()._conv_forward(x, weight, bias)
        return conv3d(x, weight, bias, self.stride, self.padding, self.dilation, self.groups)
