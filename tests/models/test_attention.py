"""The attention maps against a frame-by-frame reading of the paper's equations 4 to 12."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from f4d_mmaction.models import ChannelAttention, SpatioTemporalAttention, TemporalAttention

N, U, C, T, H, W = 2, 3, 32, 4, 7, 8


def features(memory: str = "contiguous") -> Tensor:
    x = torch.rand(N * U, C, T, H, W, dtype=torch.float64)
    if memory == "channels_last_3d":
        x = x.contiguous(memory_format=torch.channels_last_3d)
    return x.unflatten(0, (N, U))


def slow_temporal(module: TemporalAttention, video: Tensor) -> Tensor:
    frames = [video[u, :, t] for u in range(U) for t in range(T)]
    sequence = torch.stack([frame.mean() + frame.max() for frame in frames])
    response = torch.zeros(U * T, dtype=video.dtype)
    for path, dilation in zip(module.conv.paths, (2, 3)):
        for i in range(U * T):
            for k in range(3):
                j = i + (k - 1) * dilation
                if 0 <= j < U * T:
                    response[i] += path.weight[0, 0, k] * sequence[j]
    return response.sigmoid().view(U, 1, T, 1, 1)


def slow_channel(module: ChannelAttention, video: Tensor) -> Tensor:
    maps = []
    for unit in video:
        logits = 0
        for pooled in (unit.flatten(1).mean(1), unit.flatten(1).max(1).values):
            logits = logits + module.excite.weight @ (module.squeeze.weight @ pooled).clamp(min=0)
        maps.append(logits.sigmoid())
    return torch.stack(maps).view(U, C, 1, 1, 1)


def slow_spatio_temporal(module: SpatioTemporalAttention, video: Tensor) -> Tensor:
    maps = []
    for unit in video:
        frames = []
        for t in range(T):
            pools = torch.stack([unit[:, t].mean(0), unit[:, t].max(0).values])[None]
            frames.append(
                sum(
                    F.conv2d(pools, path.weight[:, :, 0], padding=d, dilation=d)
                    for path, d in zip(module.space.paths, (2, 3))
                ).clamp(min=0)[0, 0]
            )
        lines = torch.stack(frames).flatten(1).T[:, None]  # one sequence over T for each pixel
        response = sum(
            F.conv1d(lines, path.weight[:, :, :, 0, 0], padding=d, dilation=d)
            for path, d in zip(module.time.paths, (2, 3))
        )
        maps.append(response[:, 0].T.reshape(1, T, H, W).sigmoid())
    return torch.stack(maps)


CASES = {
    "TA": (TemporalAttention, {}, slow_temporal),
    "CA": (ChannelAttention, {"channels": C}, slow_channel),
    "STA": (SpatioTemporalAttention, {}, slow_spatio_temporal),
}


@pytest.mark.parametrize("memory", ["contiguous", "channels_last_3d"])
@pytest.mark.parametrize("name", CASES)
def test_attention_is_map_times_input_plus_input(name: str, memory: str, device: str) -> None:
    torch.manual_seed(0)
    cls, options, slow_map = CASES[name]
    module = cls(**options).double()
    x = features(memory)
    expected = torch.stack([slow_map(module, video) * video + video for video in x])
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize("name", CASES)
def test_attention_refuses_the_3d_form(name: str) -> None:
    cls, options, _ = CASES[name]
    with pytest.raises(ValueError, match=r"expected \(N, U, C, T, H, W\)"):
        cls(**options)(torch.zeros(N * U, C, T, H, W))
