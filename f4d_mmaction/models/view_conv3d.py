"""The trunk's 3D convolutions that span one frame or one pixel, as 2D convolutions on a view.

In ``channels_last_3d`` memory, (N, C, T, H, W) is stored N, T, H, W, C. Frames are therefore a
batch of images that needs no copy, and the pixels of a frame one long axis. SlowOnly has no other
kernels than (1, h, w) and (t, 1, 1). On the CPU, PyTorch runs a pointwise `Conv3d` of few samples
on one thread without oneDNN, which is several times slower; otherwise both are as fast.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class ViewConv3d(nn.Conv3d):
    """``nn.Conv3d``, computed as a 2D convolution where that copies nothing and is no slower.

    (N, C, T, H, W) -> (N, C', T', H', W'), with the parameters and numbers of ``nn.Conv3d``. To be
    named in a trunk's ``conv_cfg``.
    """

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        # Frozen into a graph on the CPU, normalisation and ReLU join a convolution only if no view
        # parts them from it.
        frozen = torch.compiler.is_compiling() and x.device.type == "cpu"
        if (
            self.padding_mode != "zeros"
            or (frozen and not torch.is_grad_enabled())
            or not x.is_contiguous(memory_format=torch.channels_last_3d)
        ):
            return super()._conv_forward(x, weight, bias)
        t, h, w = self.kernel_size
        axes = list(zip(self.stride, self.padding, self.dilation))
        if t == 1 and axes[0][:2] == (1, 0):
            frames = x.transpose(1, 2).flatten(0, 1)
            y = F.conv2d(frames, weight.squeeze(2), bias, *zip(*axes[1:]), self.groups)
            return y.unflatten(0, (-1, x.shape[2])).transpose(1, 2)
        along_time = h == w == 1 and axes[1][:2] == axes[2][:2] == (1, 0)
        if along_time and not torch.is_grad_enabled():  # in 3D oneDNN's backward pass is faster
            y = F.conv2d(
                x.flatten(3), weight.squeeze(4), bias, *zip(axes[0], (1, 0, 1)), self.groups
            )
            return y.unflatten(3, x.shape[3:])
        return super()._conv_forward(x, weight, bias)
