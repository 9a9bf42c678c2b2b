"""4D convolution over units, time and space, as one convolution on a view.

Symbols: N videos, C channels, U units per video, T frames per unit, H x W pixels.

In ``channels_last_3d`` memory the trunk's 3D form (N*U, C, T, H, W) is stored N, U, T, H, W, C.
The 4D form (N, C, U, T, H, W) is a permuted view of that same storage, and joining two of its
neighbouring axes leaves a tensor that is again contiguous with its channels last. So the paper's
permutation copies nothing, and up to three axes of a 4D kernel fit one convolution of the host:

- a (u, 1, h, w) kernel sees (N, C, U*T, H, W): the same frame of the next unit is T frames away,
  so a step along U is a dilation of T along the joined axis, and padding by whole units keeps its
  ends apart;
- a (u, 1, 1, 1) kernel sees (N, C, U*T, H*W), likewise: the 2D convolution is the best tuned of
  all, for one video too (on the CPU, PyTorch runs a `Conv3d` of few samples without oneDNN, which
  copies and is several times slower); a narrow one, compiled, is pointwise with its taps added up;
- a (1, t, 1, 1) kernel sees (N*U, C, T, H*W), but (N*U, C, T, H, W) where gradients are recorded:
  oneDNN is as fast forward, and backward a third faster;
- a (u, t, 1, 1) kernel sees (N, C, U, T, H*W);
- a kernel with all four axes is a sum over its u taps (paper, eq. 2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import build_activation_layer, build_conv_layer, build_norm_layer
from mmengine.registry import MODELS
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def check_kernel_size(kernel_size: Sequence[int]) -> tuple[int, int, int, int]:
    """Return (u, t, h, w) as a tuple; ``ValueError`` unless it is four odd numbers."""
    kernel = tuple(kernel_size) if isinstance(kernel_size, Sequence) else kernel_size
    if not (
        isinstance(kernel, tuple)
        and len(kernel) == 4
        and all(isinstance(size, int) and size > 0 and size % 2 for size in kernel)
    ):
        raise ValueError(
            f"kernel_size must be four odd positive numbers (u, t, h, w), got {kernel_size!r}; "
            "an even size cannot keep U, T, H and W"
        )
    return kernel


def matched_width(in_channels: int, out_channels: int, kernel_size: Sequence[int]) -> int:
    """Intermediate width M that gives the factorised convolution a full one's parameters.

    M = floor(u t h w C C' / (u h w C + t C')) (paper, section III.C).
    """
    u, t, h, w = check_kernel_size(kernel_size)
    full = u * t * h * w * in_channels * out_channels
    return full // (u * h * w * in_channels + t * out_channels)


def conv4d(
    x: Tensor,
    weight: Tensor,
    kernel_size: Sequence[int],
    bias: Tensor | None,
    act: Callable[[Tensor], Tensor],
) -> Tensor:
    """Convolve over (U, T, H, W) with zero padding that keeps their sizes (paper, eq. 1).

    Args:
        x: (N, C, U, T, H, W).
        weight: (C', C, u, t, h*w), the kernel's spatial axes joined.
        kernel_size: (u, t, h, w), odd.
        bias: (C',) or None.
        act: Activation of the result; compilers join it to a convolution only before the view.

    Returns:
        (N, C', U, T, H, W), a view of ``channels_last_3d`` memory if ``x`` is one.
    """
    U, T, H, W = x.shape[2:]
    u, t, h, w = kernel_size
    if t == h == w == 1:
        frames, kernel = x.flatten(2, 3).flatten(3), weight.flatten(3)
        compiling = torch.compiler.is_dynamo_compiling()  # and not exporting
        if len(weight) < 64 and compiling and x.device.type == "cpu":
            y = conv_by_taps(frames, kernel, bias, dilation=T)
        else:
            y = F.conv2d(frames, kernel, bias, padding=(u // 2 * T, 0), dilation=(T, 1))
        return act(y).unflatten(3, (H, W)).unflatten(2, (U, T))
    if u == h == w == 1:
        units, kernel = x.transpose(1, 2).flatten(0, 1), weight.squeeze(2)
        if torch.is_grad_enabled():
            y = act(F.conv3d(units, kernel.unsqueeze(4), bias, padding=(t // 2, 0, 0)))
        else:
            y = act(F.conv2d(units.flatten(3), kernel, bias, padding=(t // 2, 0)))
            y = y.unflatten(3, (H, W))
        return y.unflatten(0, (-1, U)).transpose(1, 2)
    if h == w == 1:
        y = F.conv3d(x.flatten(4), weight, bias, padding=(u // 2, t // 2, 0))
        return act(y).unflatten(4, (H, W))
    space = (h // 2, w // 2)
    if t == 1:
        kernel = weight.flatten(2, 3).unflatten(3, (h, w))
        padding = (u // 2 * T, *space)
        y = F.conv3d(x.flatten(2, 3), kernel, bias, padding=padding, dilation=(T, 1, 1))
        return act(y).unflatten(2, (U, T))
    padded = F.pad(x, (0, 0, 0, 0, 0, 0, u // 2, u // 2))

    def tap(s: int) -> Tensor:
        units = padded[:, :, s : s + U].transpose(1, 2).flatten(0, 1)
        kernel = weight[:, :, s].unflatten(3, (h, w))
        return F.conv3d(units, kernel, padding=(t // 2, *space))

    y = sum(tap(s) for s in range(u)).unflatten(0, (-1, U)).transpose(1, 2)
    return act(y if bias is None else y + bias.view(-1, 1, 1, 1, 1))


def conv_by_taps(x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int) -> Tensor:
    """Convolve along one axis as a pointwise convolution to all taps, which are shifted and added.

    For narrow outputs: oneDNN computes 64 channels at a time and reads its input for each tap anew.
    Compilers make one pass of the sum.

    Args:
        x: (N, C, L, P).
        weight: (C', C, u, 1), u odd.
        bias: (C',) or None.
        dilation: Distance between taps along L.

    Returns:
        (N, C', L, P).
    """
    length, taps = x.shape[2], weight.shape[2]
    pointwise = weight.permute(2, 0, 1, 3).flatten(0, 1).unsqueeze(3)
    parts = F.conv2d(x, pointwise).chunk(taps, 1)
    y = parts[taps // 2] if bias is None else parts[taps // 2] + bias.view(-1, 1, 1)
    for i in range(1, taps // 2 + 1):
        shift = i * dilation
        if shift < length:
            y = y + F.pad(parts[taps // 2 - i][:, :, :-shift], (0, 0, shift, 0))
            y = y + F.pad(parts[taps // 2 + i][:, :, shift:], (0, 0, 0, shift))
    return y


@MODELS.register_module()
class Conv4d(nn.Module):
    """Full 4D convolution (paper, eq. 1 and 2).

    (N, C, U, T, H, W) -> (N, C', U, T, H, W). The kernel is kept as (C', C, u, t, h*w), 5-D, so
    that ``module.to(memory_format=torch.channels_last_3d)`` lays it out with the activations.

    Args:
        in_channels: C.
        out_channels: C'.
        kernel_size: (u, t, h, w), odd.
        bias: Add a bias per output channel.

    Raises:
        ValueError: ``kernel_size`` is not four odd numbers, or the input is not 6-D with C
            channels and at least one unit and frame.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sequence[int] = (3, 3, 1, 1),
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        u, t, h, w = self.kernel_size = check_kernel_size(kernel_size)
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, u, t, h * w))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the kernel as MMAction2 draws its trunks'."""
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(
        self,
        x: Tensor,
        norm: _BatchNorm | None = None,
        act: Callable[[Tensor], Tensor] = lambda y: y,
    ) -> Tensor:
        """Map (N, C, U, T, H, W) to (N, C', U, T, H, W).

        Args:
            x: Features of U units.
            norm: Batch normalisation of C' channels to fold in, by its running statistics.
            act: Activation of the result.
        """
        check_4d_form(x, self.in_channels)
        weight, bias = self.weight, self.bias
        if norm is not None:
            scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
            mean = norm.running_mean if bias is None else norm.running_mean - bias
            bias = (norm.bias - mean * scale).to(weight.dtype)
            weight = (weight * scale.view(-1, 1, 1, 1, 1)).to(weight.dtype)
        return conv4d(x, weight, self.kernel_size, bias, act)

    def extra_repr(self) -> str:
        """Show sizes as ``nn.Conv3d`` does."""
        bias = self.bias is not None
        return f"{self.in_channels}, {self.out_channels}, {self.kernel_size}, bias={bias}"


def check_4d_form(x: Tensor, channels: int) -> None:
    """Raise ``ValueError`` unless ``x`` is (N, channels, U, T, H, W) with no empty axis."""
    if x.ndim != 6 or x.shape[1] != channels or 0 in x.shape:
        raise ValueError(
            f"expected (N, {channels}, U, T, H, W) with at least one unit and frame, got "
            f"{tuple(x.shape)}"
        )


class FactorizedConv4d(nn.Module):
    """(3+1)D factorised 4D convolution: (u,1,h,w) C -> M, BN, ReLU, (1,t,1,1) M -> C'.

    (N, C, U, T, H, W) -> (N, C', U, T, H, W) (paper, section III.C).

    Args:
        in_channels: C.
        out_channels: C'.
        kernel_size: (u, t, h, w), odd.
        mid_channels: M; None for the paper's :func:`matched_width`.
        norm_cfg: Normalisation between the two, as MMAction2 configures it.
        act_cfg: Activation between the two.
        conv_cfg: Kind of each factor, a 4D convolution; None for ``dict(type='Conv4d')``.

    Raises:
        ValueError: ``kernel_size`` is not four odd numbers, or ``mid_channels`` is below 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sequence[int] = (3, 3, 1, 1),
        mid_channels: int | None = None,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        conv_cfg: dict | None = None,
    ) -> None:
        super().__init__()
        u, t, h, w = check_kernel_size(kernel_size)
        if mid_channels is None:
            mid_channels = matched_width(in_channels, out_channels, kernel_size)
        if mid_channels < 1:
            raise ValueError(f"mid_channels must be at least 1, got {mid_channels}")
        conv_cfg = conv_cfg or dict(type="Conv4d")
        self.spatial = build_conv_layer(conv_cfg, in_channels, mid_channels, (u, 1, h, w))
        self.norm = build_norm_layer(norm_cfg or dict(type="BN3d"), mid_channels)[1]
        self.act = build_activation_layer(act_cfg or dict(type="ReLU", inplace=True))
        self.temporal = build_conv_layer(conv_cfg, mid_channels, out_channels, (1, t, 1, 1))

    def between(self, x: Tensor) -> Tensor:
        """Map (N, C, U, T, H, W) to what the temporal factor reads, (N, M, U, T, H, W).

        For those who go on with :attr:`temporal` by themselves, as a block does to fold its
        normalisation in.
        """
        return conv_norm_act(self.spatial, self.norm, self.act, x)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, U, T, H, W) to (N, C', U, T, H, W)."""
        return self.temporal(self.between(x))


def conv_norm_act(conv: nn.Module, norm: nn.Module, act: nn.Module, x: Tensor) -> Tensor:
    """Apply a 4D convolution, a 5-D normalisation and an activation to (N, C, U, T, H, W).

    In inference batch normalisation is folded into the kernel, which is small, and saves a pass
    over the features, which are not.
    """
    fixed = isinstance(norm, _BatchNorm) and norm.track_running_stats and not norm.training
    if fixed and norm.affine and type(conv) is Conv4d and not torch.is_grad_enabled():
        return conv(x, norm, act)
    x = conv(x)
    # The activation may work in place, which autograd does without copies on a tensor but not on a
    # view: so it comes before the result is seen as 6-D.
    return act(norm(x.flatten(2, 3))).unflatten(2, x.shape[2:4])
