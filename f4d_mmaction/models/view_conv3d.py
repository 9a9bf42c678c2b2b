"""The trunk's 3D convolutions that span one frame or one pixel, as 2D convolutions on a view.

In ``channels_last_3d`` memory, (N, C, T, H, W) is stored N, T, H, W, C. Frames are therefore a
batch of images that needs no copy, and the pixels of a frame one long axis. SlowOnly has no other
kernels than (1, h, w) and (t, 1, 1), and 2D convolutions are the better tuned ones: on the CPU
PyTorch runs a pointwise `Conv3d` of few samples without oneDNN altogether.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class ViewConv3d(nn.Conv3d):
    """``nn.Conv3d``, computed as a 2D convolution wherever that copies nothing.

    (N, C, T, H, W) -> (N, C', T', H', W'), with the parameters and numbers of ``nn.Conv3d``. To be
    named in a trunk's ``conv_cfg``.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, T, H, W) to (N, C', T', H', W')."""
        # A compiler folds normalisation and ReLU into a convolution that no view parts from them.
        frozen = torch.compiler.is_compiling() and not torch.is_grad_enabled()
        last = x.is_contiguous(memory_format=torch.channels_last_3d)
        if frozen or not last or self.padding_mode != "zeros":
            return super().forward(x)
        t, h, w = self.kernel_size
        axes = list(zip(self.stride, self.padding, self.dilation))
        if t == 1 and axes[0][:2] == (1, 0):
            frames = x.transpose(1, 2).flatten(0, 1)
            y = F.conv2d(frames, self.weight[:, :, 0], self.bias, *zip(*axes[1:]), self.groups)
            return y.unflatten(0, (-1, x.shape[2])).transpose(1, 2)
        if h == w == 1 and axes[1][:2] == axes[2][:2] == (1, 0):
            pixels = x.flatten(3)
            y = F.conv2d(
                pixels, self.weight[..., 0], self.bias, *zip(axes[0], (1, 0, 1)), self.groups
            )
            return y.unflatten(3, x.shape[3:])
        return super().forward(x)
