"""The computed memory of a training step, against what PyTorch's profiler sees of a real one."""

from collections.abc import Callable

import pytest
import torch
from benchmark import Case
from mmaction.registry import MODELS
from mmengine.config import Config
from reduction import RECOGNITION
from torch import nn
from torch.profiler import ProfilerActivity, profile
from training_memory import RECOMPUTED, to_markdown, training_bytes

SMALL = RECOGNITION / "f4d" / "f4d_r18_phase_order.py"


def allocated_peak(step: Callable[[], None]) -> int:
    """Bytes that the CPU's allocator gives out at the peak, on top of weights, momenta and batch.

    A step begins by freeing the gradients of the one before, of which the profiler as it starts
    sees all, some or nothing. So the peak counts from the lowest point.
    """
    step()  # makes the momenta, and what operators cache
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    events = profiler.profiler.kineto_results.events()
    memory = sorted((e for e in events if e.name() == "[memory]"), key=lambda e: e.start_ns())
    now = peak = low = 0
    for event in memory:
        now += event.nbytes()
        peak, low = max(peak, now), min(low, now)
    return peak - low


@pytest.mark.parametrize("amp", [False, True])
@pytest.mark.parametrize("recomputed", RECOMPUTED)
def test_a_real_step_takes_what_is_computed(
    recomputed: str, amp: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if amp and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("without AVX512, PyTorch's own convolutions have buffers in bfloat16")
    # Autocast pools in float32 on the CPU alone.
    pool = torch.autocast("cpu", enabled=False)(nn.MaxPool3d.forward)
    monkeypatch.setattr(nn.MaxPool3d, "forward", pool)
    options, shape = RECOMPUTED[recomputed], (6, 4, 4, 64)  # N, U, T, H = W
    config = Config.fromfile(SMALL)
    config.merge_from_dict(options)
    weights = sum(p.numel() for p in MODELS.build(config.model).parameters())
    dtype = "bfloat16" if amp else None
    step = Case(str(SMALL), *shape, training=True, dtype=dtype, options=options).build_step()
    before = 4 * (6 * 4 * 3 * 4 * 64**2 + 2 * weights)  # batch, weights and momenta in float32
    made = training_bytes(config, *shape, amp) - before
    assert made == pytest.approx(allocated_peak(step), rel=0.1)


def test_what_fits_is_shown() -> None:
    text = to_markdown(SMALL, 2, [4], 64)
    rows = [[c.strip() for c in line.split("|")[1:-1]] for line in text.splitlines()[-6:]]
    assert [row[:3] for row in rows] == [
        ["U2 x T4", precision, name]
        for precision in ("float32", "16 bits (AMP)")
        for name in RECOMPUTED
    ]
    fits = [list(map(int, row[5:])) for row in rows]
    assert all(row == sorted(row) for row in fits)  # more on larger cards
    assert all(low > full for full, low in zip(fits[0], fits[3]))
    assert all(low > full for full, low in zip(fits[0], fits[2]))
