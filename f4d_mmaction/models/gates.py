"""Attention's passes over whole features: as few as possible, forward and backward.

A block weighs its features (N, U, C, T, H, W) by a gain per frame and channel, (N, U, C, T), and by
one per pixel, (N, U, T, H, W). All else about attention is small. Where gradients are recorded, the
three operations on whole features have backward passes of their own: autograd's would keep each
product, fill one tensor for every average and several for every maximum, and add them all up.
They cannot be differentiated twice, and of equal maxima one gets the gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import Function, FunctionCtx, once_differentiable


class FramePools(NamedTuple):
    """Average and maximum over the pixels of each frame: two (N, U, C, T) tensors."""

    mean: Tensor
    peak: Tensor

    @classmethod
    def of(cls, x: Tensor) -> FramePools:
        """Pool (N, U, C, T, H, W) over its pixels."""
        if _records(x):
            return cls(*_PoolFrames.apply(x))
        if x.is_cuda or not torch.compiler.is_dynamo_compiling():
            return cls(_over_pixels(x, Tensor.mean), _over_pixels(x, Tensor.amax))
        # Each step of a compiled reduction waits for the one before: take four pixels a step.
        pixels = x.movedim(-4, -1).flatten(-3, -2)
        ways = 1 if pixels.shape[-2] % 4 else 4
        parts = pixels.unflatten(-2, (ways, -1)).unbind(-3)
        mean, peak = sum(parts).mean(-2) / ways, reduce(torch.maximum, parts).amax(-2)
        return cls(mean.transpose(-2, -1), peak.transpose(-2, -1))

    def scaled(self, gain: Tensor | None) -> FramePools:
        """Return the pools of ``x * gain`` for a gain >= 0 per frame and channel."""
        return self if gain is None else FramePools(self.mean * gain, self.peak * gain)


class PixelPools(NamedTuple):
    """Average and maximum over the channels of each pixel: two (N, U, T, H, W) tensors."""

    mean: Tensor
    peak: Tensor

    @classmethod
    def of(cls, x: Tensor, frames: Tensor | None = None) -> PixelPools:
        """Pool ``x * frames`` over its channels.

        Args:
            x: (N, U, C, T, H, W).
            frames: Gain (N, U, C, T), None for one.
        """
        gain = _per_frame(frames, x)
        if _records(x):
            return cls(*_PoolPixels.apply(x, gain))
        x = x if gain is None else x * gain
        return cls(x.mean(2), x.amax(2))


def gated(y: Tensor, frames: Tensor | None = None, pixels: Tensor | None = None) -> Tensor:
    """Return ``y * frames * pixels``, in ``y``'s own memory where no gradient is recorded.

    Args:
        y: (N, U, C, T, H, W).
        frames: Gain (N, U, C, T), or with axes of size 1; None for one.
        pixels: Gain (N, U, T, H, W); None for one.
    """
    for gain in (_per_frame(frames, y), _per_pixel(pixels, y)):
        if gain is not None:
            y = y.mul_(gain) if _may_overwrite() else y * gain
    return y


def gated_sum(
    x: Tensor, y: Tensor, frames: Tensor | None = None, pixels: Tensor | None = None
) -> Tensor:
    """Return ``x + y * frames * pixels``, with the arguments of :func:`gated`."""
    weighed = frames is not None or pixels is not None
    if weighed and _records(y):
        return _GatedSum.apply(x, y, _per_frame(frames, y), _per_pixel(pixels, y))
    if weighed and _may_overwrite():
        if pixels is None:
            return torch.addcmul(x, y, _per_frame(frames, y), out=y)
        y = gated(y, frames)
        return torch.addcmul(x, y, _per_pixel(pixels, y), out=y)
    y = gated(y, frames, pixels)
    # Added in the trunk's 3D form: only there do compilers see which layout its next convolution
    # wants, and write the sum in it.
    U, x, y = x.shape[1], x.flatten(0, 1), y.flatten(0, 1)
    return (y.add_(x) if _may_overwrite() else x + y).unflatten(0, (-1, U))


def _per_frame(gain: Tensor | None, y: Tensor) -> Tensor | None:
    """Shape a gain like ``y``, (N, U, C, T, 1, 1)."""
    return None if gain is None else gain.to(y.dtype).expand(y.shape[:4])[..., None, None]


def _per_pixel(gain: Tensor | None, y: Tensor) -> Tensor | None:
    """Shape a gain like ``y``, (N, U, 1, T, H, W)."""
    return None if gain is None else gain.to(y.dtype).unsqueeze(2)


def _over_pixels(x: Tensor, fold: Callable[[Tensor, int], Tensor] = Tensor.sum) -> Tensor:
    """Reduce (..., C, T, H, W) to (..., C, T), channels last in memory if they were.

    A reduction is many times faster where both sides are laid out alike.
    """
    return fold(x.movedim(-4, -1).flatten(-3, -2), -2).transpose(-2, -1)


def _records(x: Tensor) -> bool:
    return x.requires_grad and torch.is_grad_enabled() and not torch.compiler.is_compiling()


def _may_overwrite() -> bool:
    """On the CPU a new large tensor costs several times the arithmetic that fills it.

    Each of its pages must first be mapped. Compilers see to that by themselves.
    """
    return not torch.is_grad_enabled() and not torch.compiler.is_compiling()


class _PoolFrames(Function):
    """Average and maximum of (N, U, C, T, H, W) over H and W."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> tuple[Tensor, Tensor]:
        if x.is_cuda:
            peak, where = x.flatten(4).max(4)
        else:  # with vector instructions, unlike `max`
            frames = x.transpose(2, 3).flatten(0, 2)
            found = F.max_pool2d(frames, frames.shape[2:], return_indices=True)
            peak, where = (z.view(*x.shape[:2], *x.shape[3:1:-1]).transpose(2, 3) for z in found)
        ctx.save_for_backward(x, where)
        return _over_pixels(x, Tensor.mean), peak

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, mean: Tensor, peak: Tensor) -> Tensor:
        x, where = ctx.saved_tensors
        grad = torch.empty_like(x).flatten(4)
        _spread(grad, 4, *(z.unsqueeze(4) for z in (mean, peak, where)))
        return grad.view(x.shape)


class _PoolPixels(Function):
    """Average and maximum of (N, U, C, T, H, W), times a gain (N, U, C, T, 1, 1), over C."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, gain: Tensor | None = None) -> tuple[Tensor, Tensor]:
        y = x if gain is None else x * gain
        peak, where = y.max(2)
        ctx.save_for_backward(x, where, gain)
        return y.mean(2), peak

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, mean: Tensor, peak: Tensor) -> tuple[Tensor, Tensor | None]:
        x, where, gain = ctx.saved_tensors
        grad = torch.empty_like(x)
        _spread(grad, 2, *(z.unsqueeze(2) for z in (mean, peak, where)))
        if gain is None:
            return grad, None
        of_gain = None
        if ctx.needs_input_grad[1]:  # not where dropout alone is before
            of_gain = _over_pixels(grad * x)[..., None, None]
        return grad.mul_(gain), of_gain


def _spread(grad: Tensor, axis: int, mean: Tensor, peak: Tensor, where: Tensor) -> None:
    """Fill ``grad`` with the gradient of the average and of the maximum over an axis."""
    share = mean / grad.shape[axis]
    grad.copy_(share)
    grad.scatter_(axis, where, share + peak)


class _GatedSum(Function):
    """``x + y * frames * pixels``, with gains (N, U, C, T, 1, 1) and (N, U, 1, T, H, W) or None."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, x: Tensor, y: Tensor, frames: Tensor | None, pixels: Tensor | None
    ) -> Tensor:
        ctx.save_for_backward(y, frames, pixels)
        if frames is None or pixels is None:
            return torch.addcmul(x, y, pixels if frames is None else frames)
        return torch.addcmul(x, y * frames, pixels)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor | None, ...]:
        y, frames, pixels = ctx.saved_tensors
        product = grad * y
        if frames is None:
            return grad, grad * pixels, None, product.sum(2, keepdim=True)
        if pixels is None:
            return grad, grad * frames, _over_pixels(product)[..., None, None], None
        of_pixels, of_frames = (product * frames).sum(2, keepdim=True), None
        if ctx.needs_input_grad[2]:
            of_frames = _over_pixels(product.mul_(pixels))[..., None, None]
        return grad, (grad * pixels).mul_(frames), of_frames, of_pixels
