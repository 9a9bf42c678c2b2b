"""4D convolution as one convolution on a view: the layout trick, and why it is the same.

In ``channels_last_3d`` memory the 3D form (N*U, C, T, H, W) is stored N, U, T, H, W, C. The 4D form
(N, C, U, T, H, W) is a permuted view of that storage, and two neighboring axes of it can be joined
without a copy. So the paper's permutation between the forms costs nothing, and a kernel with an
axis or two of size 1 is one convolution of fewer axes:

- (u, 1, h, w) reads (N, C, U*T, H, W): the same frame of the next unit is T frames away, so a step
  along U is a dilation of T along the joined axis, and whole units of padding keep its ends apart;
- (u, 1, 1, 1) reads (N, C, U*T, H*W) likewise: 2D convolution is the best tuned of all;
- (1, t, 1, 1) reads (N*U, C, T, H*W);
- (u, t, 1, 1) reads (N, C, U, T, H*W);
- a kernel that spans t and h or w adds up its u taps, as the definition does.

Contiguous memory gives the same numbers, with copies.
"""

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor

from .view_conv3d import conv3d


def conv4d(
    x: Tensor,
    weight: Tensor,
    kernel_size: Sequence[int],
    bias: Tensor | None = None,
    act: Callable[[Tensor], Tensor] = lambda y: y,
) -> Tensor:
    """Convolve over (U, T, H, W) with zero padding that keeps their sizes (paper, eq. 1).

    ``x`` (N, C, U, T, H, W), ``weight`` (C', C, u, t, h*w) of odd sizes and ``bias`` (C',) make
    (N, C', U, T, H, W), a view of ``channels_last_3d`` memory if ``x`` is one. ``act`` is an
    activation of the result; compilers join it to a convolution only before the view.
    """
    U, T, H, W = x.shape[2:]
    u, t, h, w = kernel_size
    if t == h == w == 1:
        frames, kernel = x.flatten(2, 3).flatten(3), weight.flatten(3)
        kernel = kernel if T > 1 else kernel.contiguous()  # for bfloat16 on CPUs below AVX512
        y = act(F.conv2d(frames, kernel, bias, padding=(u // 2 * T, 0), dilation=(T, 1)))
        return y.unflatten(3, (H, W)).unflatten(2, (U, T))
    if u == h == w == 1:
        units, kernel = x.transpose(1, 2).flatten(0, 1), weight.squeeze(2).unsqueeze(4)
        y = act(conv3d(units, kernel, bias, padding=(t // 2, 0, 0)))
        return y.unflatten(0, (-1, U)).transpose(1, 2)
    if h == w == 1:
        y = act(conv3d(x.flatten(4), weight, bias, padding=(u // 2, t // 2, 0)))
        return y.unflatten(4, (H, W))
    space = (h // 2, w // 2)
    if t == 1:
        kernel = weight.flatten(2, 3).unflatten(3, (h, w))
        padding = (u // 2 * T, *space)
        y = act(conv3d(x.flatten(2, 3), kernel, bias, padding=padding, dilation=(T, 1, 1)))
        return y.unflatten(2, (U, T))
    kernel = weight.unflatten(4, (h, w))
    padded = F.pad(x, (0, 0, 0, 0, 0, 0, u // 2, u // 2)).transpose(1, 2)
    taps = (
        conv3d(padded[:, i : i + U].flatten(0, 1), kernel[:, :, i], padding=(t // 2, *space))
        for i in range(u)
    )
    y = sum(taps, start=next(taps))
    y = y if bias is None else y + bias.view(-1, 1, 1, 1)
    return act(y).unflatten(0, (-1, U)).transpose(1, 2)
