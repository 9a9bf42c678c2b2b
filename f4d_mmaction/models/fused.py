"""The blocks' fast path: the result of `f4d.py` in fewer passes over whole features.

A block's ``path`` is one of the two functions at the end. What they do differently:

- a 4D convolution is one convolution on a view (`conv4d_views.py`), with the normalization folded
  into its kernel where no gradient is recorded and running statistics are used;
- gains are collected. Attention weighs features (N, U, C, T, H, W) by a gain for each
  frame and channel, (N, U, C, T, 1, 1), or for each pixel, (N, U, 1, T, H, W). Weighing a frame
  weighs its pools alike, so the features are pooled once for a chain of such modules, and all gains
  are applied in the pass that adds the block's input;
- where gradients are recorded, pools and that last pass have backward passes of their own.
  Autograd's would keep each product, fill one tensor for every average and several for every
  maximum, and add them all up. Ours cannot be differentiated twice, and of equal maxima one gets
  the gradient.
"""

from collections.abc import Callable
from typing import Any, TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import Function, once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from .compiling import is_compiling
from .conv4d_views import conv4d
from .f4d import (
    Attention,
    ChannelAttention,
    Conv4d,
    F4DBlock,
    Residual4d,
    TemporalAttention,
    norm_act,
)

Gain = Tensor | None
FRAME, PIXEL = (4, 5), (2,)  # axes that are pooled: the pixels of a frame, the channels of a pixel


def conv_norm_act(conv: nn.Module, norm: nn.Module, act: nn.Module, x: Tensor) -> Tensor:
    """Apply a 4D convolution, a normalization of 3D features and an activation.

    (N, C, U, T, H, W) -> (N, C', U, T, H, W).
    """
    if type(conv) is not Conv4d:
        return norm_act(norm, act, conv(x))
    if (
        torch.is_grad_enabled()
        or not (isinstance(norm, _BatchNorm) and norm.affine and not norm.training)
        or (mean := norm.running_mean) is None
        or norm.running_var is None
    ):
        return norm_act(norm, act, conv4d(x, conv.weight, conv.kernel_size, conv.bias))
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    mean = mean if conv.bias is None else mean - conv.bias
    weight = (conv.weight * scale.view(-1, 1, 1, 1, 1)).to(conv.weight.dtype)
    bias = (norm.bias - mean * scale).to(weight.dtype)
    return conv4d(x, weight, conv.kernel_size, bias, act)


def pool_frames(x: Tensor) -> tuple[Tensor, Tensor]:
    """Average and maximum of (N, U, C, T, H, W) over the pixels of each frame, axes kept."""
    if _records(x):
        return _PoolFrames.apply(x)
    return _over_pixels(x, Tensor.mean), _over_pixels(x, Tensor.amax)


def pool_pixels(x: Tensor, gain: Gain) -> tuple[Tensor, Tensor]:
    """Average and maximum of ``x * gain`` over C, axis kept; the gain is (N, U, C, T, 1, 1)."""
    if _records(x):
        return _PoolPixels.apply(x, gain)
    x = x if gain is None else x * gain
    return x.mean(2, keepdim=True), x.amax(2, keepdim=True)


def weigh(y: Tensor, *gains: Gain) -> Tensor:
    """Return the product of ``y`` and its gains, in ``y``'s memory where no gradient is recorded.

    On the CPU a new large tensor costs several times the arithmetic that fills it.
    """
    for gain in gains:
        if gain is not None:
            y = y.mul_(gain) if _may_overwrite() else y * gain
    return y


def weighed_sum(x: Tensor, y: Tensor, frames: Gain, pixels: Gain) -> Tensor:
    """Return ``x + y * frames * pixels``; all but ``x`` and ``y`` are gains or None."""
    if (frames is not None or pixels is not None) and _records(y):
        return _WeighedSum.apply(x, y, frames, pixels)
    y = weigh(y, frames)
    if pixels is not None and _may_overwrite() and x.dtype == y.dtype:
        return torch.addcmul(x, y, pixels, out=y)
    y = weigh(y, pixels)
    # Added in the trunk's 3D form: only there do compilers see which layout its next convolution
    # wants, and write the sum in it.
    U, x, y = x.shape[1], x.flatten(0, 1), y.flatten(0, 1)
    return (y.add_(x) if _may_overwrite() else x + y).unflatten(0, (-1, U))


def _records(x: Tensor) -> bool:
    return x.requires_grad and torch.is_grad_enabled() and not is_compiling()


def _may_overwrite() -> bool:
    return not torch.is_grad_enabled() and not is_compiling()


def _over_pixels(x: Tensor, fold: Callable[[Tensor, int, bool], Tensor] = Tensor.sum) -> Tensor:
    """Reduce (..., C, T, H, W) to (..., C, T, 1, 1), channels last in memory if they were.

    A reduction is many times faster where both sides are laid out alike. The last two axes have
    strides of that layout too: of others PyTorch computes wrong gradients of a norm on the CPU.
    """
    return fold(x.movedim(-4, -1).flatten(-3, -2), -2, True).movedim(-1, -3).unsqueeze(-2)


class _PoolFrames(Function):
    """Average and maximum of (N, U, C, T, H, W) over H and W."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        if x.is_cuda:
            peak, where = (z.unsqueeze(4) for z in x.flatten(4).max(4, keepdim=True))
        else:  # with vector instructions, unlike `max`
            frames = x.transpose(2, 3).flatten(0, 2)
            found = F.max_pool2d(frames, frames.shape[2:], return_indices=True)
            shape = *x.shape[:2], x.shape[3], 1, 1, x.shape[2]
            peak, where = (z.view(shape).movedim(5, 2) for z in found)
        ctx.save_for_backward(x, where)
        return _over_pixels(x, Tensor.mean), peak

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, mean: Tensor, peak: Tensor) -> Tensor:
        x, where = ctx.saved_tensors
        grad = torch.empty_like(x).flatten(4)
        _spread(grad, 4, *(z.flatten(4) for z in (mean, peak, where)))
        return grad.view(x.shape)


class _PoolPixels(Function):
    """Average and maximum of (N, U, C, T, H, W), times a gain (N, U, C, T, 1, 1), over C."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Gain) -> tuple[Tensor, Tensor]:
        y = x if gain is None else x * gain
        peak, where = y.max(2, keepdim=True)
        ctx.save_for_backward(x, where, gain)
        return y.mean(2, keepdim=True), peak

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, mean: Tensor, peak: Tensor) -> tuple[Tensor, Gain]:
        x, where, gain = ctx.saved_tensors
        grad, of_gain = torch.empty_like(x), None
        _spread(grad, 2, mean, peak, where)
        if ctx.needs_input_grad[1]:
            of_gain = _over_pixels(grad * x)
        return grad if gain is None else grad.mul_(gain), of_gain


def _spread(grad: Tensor, axis: int, mean: Tensor, peak: Tensor, where: Tensor) -> None:
    """Fill ``grad`` with the gradient of the average and of the maximum over an axis."""
    share = mean / grad.shape[axis]
    grad.copy_(share)
    grad.scatter_(axis, where, share + peak)


class _WeighedSum(Function):
    """``x + y * frames * pixels``: gains (N, U, C, T, 1, 1), and of any shape; each may be None."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, frames: Gain, pixels: Gain) -> Tensor:
        ctx.save_for_backward(y, frames, pixels)
        *first, last = [gain for gain in (frames, pixels) if gain is not None]
        for gain in first:
            y = y * gain
        return torch.addcmul(x, y, last)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Gain, ...]:
        y, frames, pixels = ctx.saved_tensors
        product, of_y, of_frames, of_pixels = grad * y, grad, None, None
        if pixels is not None:
            of_y = grad * pixels
            of_pixels = (product if frames is None else product * frames).sum_to_size(pixels.shape)
        if frames is not None:
            of_y = grad * frames if pixels is None else of_y.mul_(frames)
            if ctx.needs_input_grad[2]:
                of_frames = _over_pixels(weigh(product, pixels))
        return grad, of_y, of_frames, of_pixels


def _is_gain(attention: nn.Module) -> TypeGuard[Attention]:
    """Whether ``weights`` of pools say all that a module does."""
    return (
        isinstance(attention, Attention)
        and attention.pooled in (FRAME, PIXEL)
        and type(attention).forward is Attention.forward
        and type(attention).attention_map is Attention.attention_map
    )


def v4d_path(block: Residual4d, x: Tensor) -> Tensor:
    """Compute a block whose branch is a convolution: (N, U, C, T, H, W) in and out."""
    y = conv_norm_act(block.conv, block.norm, block.act, x.transpose(1, 2)).transpose(1, 2)
    return weighed_sum(x, y, None, None)


def f4d_path(block: F4DBlock, x: Tensor) -> Tensor:
    """Compute an F4D block: (N, U, C, T, H, W) in and out."""
    conv, y = block.conv, x.transpose(1, 2)
    y = conv_norm_act(conv.spatial, conv.norm, conv.act, y)
    y = conv_norm_act(conv.temporal, block.norm, block.act, y).transpose(1, 2)
    frames, pixels, pools = None, None, None
    y = block.dropout(y)
    for attention in block.attention.values():
        if pixels is not None or not _is_gain(attention):
            y, frames, pixels, pools = weigh(y, frames, pixels), None, None, None
        if not _is_gain(attention):
            y = attention(y)
            y = y.clone() if _may_overwrite() else y  # it may be a view, or the module's own
        elif attention.pooled == FRAME:
            if pools is None:
                y, frames = weigh(y, frames), None
                pools = pool_frames(y)
            gain = (1 + attention.weights(*pools)).to(y.dtype)
            if gain.shape[4:] == (1, 1):
                # Maxima keep their places under gains above zero, which the paper's are.
                positive = type(attention) in (TemporalAttention, ChannelAttention)
                pools = (pools[0] * gain, pools[1] * gain) if positive else None
                frames = (gain if frames is None else frames * gain).expand(*y.shape[:4], 1, 1)
            else:
                pixels = gain
        else:
            if not torch.is_grad_enabled():  # once for the pools and for the sum
                y, frames = weigh(y, frames), None
            pixels = (1 + attention.weights(*pool_pixels(y, frames))).to(y.dtype)
    return weighed_sum(x, y, frames, pixels)
