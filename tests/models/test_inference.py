"""The fast inference mode: the same numbers, for every kind of network."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import load_state_dict
from torch import nn
from torch._dynamo import config as dynamo
from torch._dynamo.utils import counters

from f4d_mmaction.models import inference, prepare_for_inference

CONFIGS = Path(__file__).parents[2] / "configs" / "recognition"
# PyTorch's name since and before 2.6.
LIMIT = "recompile_limit" if hasattr(dynamo, "recompile_limit") else "cache_size_limit"
VIDEOS = torch.linspace(-1, 1, 2 * 4 * 3 * 4 * 32 * 32).view(2, 1, 4, 3, 4, 32, 32)


def recognizer(kind: str, **backbone: object) -> nn.Module:
    config = Config.fromfile(CONFIGS / kind / f"{kind}_r18_phase_order.py")
    init_default_scope("mmaction")
    torch.manual_seed(0)
    config.model.backbone.update(backbone)
    return MODELS.build(config.model).eval()


def scores(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(VIDEOS, mode="tensor", stage="head")


def test_a_gpu_compiles_with_triton_a_c_compiler_and_volta(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a forward pass would end in an error of the compiler."""
    (tmp_path / "gcc").touch(0o755)

    def can(path: Path | str = tmp_path, triton: object = 1, volta: tuple = (7, 0)) -> bool:
        monkeypatch.setenv("PATH", str(path))
        monkeypatch.setattr(inference, "find_spec", lambda name: triton)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: volta)
        return inference.can_compile(torch.device("cuda"))

    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(torch, "__version__", "2.4.1")  # older ones do not compile the networks
    assert can()
    assert not can(path="/nowhere")
    assert not can(triton=None)
    assert not can(volta=(6, 1))


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.05)], ids=str
)
@pytest.mark.parametrize("kind", ["f4d", "v4d", "slowonly"])
def test_scores_stay_within_the_types_rounding(kind, dtype, tolerance):
    plain = scores(recognizer(kind, channels_last=False))
    model = recognizer(kind, channels_last=False)
    names = list(model.state_dict())
    fast = prepare_for_inference(model, dtype=dtype, compile=False)
    found = scores(fast)
    assert found.dtype == torch.float32
    assert (found - plain).abs().max() < tolerance * plain.abs().max()
    assert list(fast.state_dict()) == names


@pytest.mark.parametrize(
    ("capability", "dtype"), [((7, 5), torch.float16), ((8, 0), torch.bfloat16)]
)
def test_gpus_that_only_emulate_bfloat16_take_float16(monkeypatch, capability, dtype):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert inference.best_dtype(torch.device("cuda")) == dtype


def test_attention_maps_are_still_there():
    model, before, after = recognizer("f4d"), {}, {}
    expected = model.backbone(VIDEOS[:, 0], maps=before)
    assert [len(found) for found in before.values()] == [3] * 4
    prepare_for_inference(model, dtype=torch.float32, compile=False)
    found = model.backbone(VIDEOS[:, 0], maps=after)
    torch.testing.assert_close((found, after), (expected, before), rtol=1e-4, atol=1e-5)


class ConvNormAct(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Conv3d(4, 8, (1, 3, 3), bias=False), nn.BatchNorm3d(8), nn.ReLU())
        with torch.no_grad():
            self[1].running_mean.uniform_(-1, 1)
            self[1].running_var.uniform_(0.5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x)


def toy(seed: int = 0) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """As much of a recognizer as the fast mode looks at, an input, and what it makes of it."""
    torch.manual_seed(seed)
    model, x = nn.ModuleDict(dict(backbone=ConvNormAct())).eval(), torch.randn(2, 4, 2, 8, 8)
    with torch.no_grad():
        return model, x, model.backbone(x)


needs_a_compiler = pytest.mark.skipif(
    not (torch.backends.mkldnn.is_available() and inference.can_compile(torch.device("cpu"))),
    reason="oneDNN folds weights, and a compiler joins them",
)


@needs_a_compiler
def test_compiled_weights_are_frozen():
    model, x, expected = toy()
    fast = prepare_for_inference(model, dtype=torch.float32)
    torch.testing.assert_close(fast.backbone(x), expected, rtol=1e-4, atol=1e-5)
    model.backbone[0].weight.data.zero_()  # unseen: the graph has weights of its own
    torch.testing.assert_close(fast.backbone(x), expected, rtol=1e-4, atol=1e-5)


@needs_a_compiler
def test_any_number_of_shapes_and_networks_runs_the_first_shapes_compiled(monkeypatch):
    monkeypatch.setattr(inference, "COMPILED_SHAPES", 1)
    graphs = counters["stats"]["unique_graphs"]
    for seed in range(2):
        model, _, _ = toy(seed)
        inputs = [torch.randn(n, 4, 2, 8, 8) for n in (1, 2, 3)]
        with torch.no_grad():
            expected = [model.backbone(x) for x in inputs]
        with dynamo.patch(**{LIMIT: 1}):
            fast = prepare_for_inference(model, dtype=torch.float32)
            found = [fast.backbone(x) for x in inputs]
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert counters["stats"]["unique_graphs"] - graphs == 2  # one for each network


@needs_a_compiler
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_runs_with_its_own_weights(copied):
    model, x, expected = toy()
    prepare_for_inference(model, dtype=torch.float32)
    twin = copied(model)
    with torch.no_grad():
        twin.backbone[1].bias += 3
        plain = nn.Sequential.forward(twin.backbone, x)
    torch.testing.assert_close(twin.backbone(x), plain, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model.backbone(x), expected, rtol=1e-4, atol=1e-5)


@needs_a_compiler
def test_threads_that_compile_at_once_have_the_weights_of_now():
    model, x, expected = toy()
    other, _, _ = toy(1)
    others = other.backbone(x).detach()
    prepare_for_inference(model, dtype=torch.float32)
    for weights, wanted in ((None, expected), (other.state_dict(), others)):
        if weights:
            model.load_state_dict(weights)
        with ThreadPoolExecutor(4) as pool:
            for found in pool.map(model.backbone, [x] * 8):
                torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@needs_a_compiler
def test_what_inference_mode_writes_reaches_the_graphs_too():
    with torch.inference_mode():
        model, x, expected = toy()
        prepare_for_inference(model, dtype=torch.float32)
        torch.testing.assert_close(model.backbone(x), expected, rtol=1e-4, atol=1e-5)
        other, _, _ = toy(1)
        model.load_state_dict(other.state_dict())
        torch.testing.assert_close(model.backbone(x), other.backbone(x), rtol=1e-4, atol=1e-5)


def load_parts(model, weights):
    for number, layer in model.backbone.named_children():
        start = f"backbone.{number}."
        layer.load_state_dict({k[len(start) :]: v for k, v in weights.items() if start in k})


def assign(model, weights):
    model.load_state_dict(weights, assign=True)


@needs_a_compiler
@pytest.mark.parametrize("load", [nn.Module.load_state_dict, load_state_dict, load_parts, assign])
def test_weights_that_change_later_reach_the_graphs(load):
    model, x, _ = toy()
    other, _, _ = toy(1)
    expected = other.backbone(x).detach()
    prepare_for_inference(model, dtype=torch.float32)
    model.backbone(x)
    load(model, other.state_dict())
    torch.testing.assert_close(model.backbone(x), expected, rtol=1e-4, atol=1e-5)


def test_a_prepared_network_refuses_to_train():
    model, x, _ = toy()
    prepare_for_inference(model, dtype=torch.bfloat16, compile=False)
    with pytest.raises(ValueError, match="not for training; load the model anew"):
        model.train().backbone(x)


def test_without_a_compiler_the_network_runs_uncompiled(monkeypatch):
    monkeypatch.setenv("PATH", "")
    model, x, expected = toy()
    fast = prepare_for_inference(model, dtype=torch.float32)
    torch.testing.assert_close(fast.backbone(x), expected)


@needs_a_compiler
def test_a_network_may_be_compiled_or_prepared_before():
    model, x, expected = toy()
    model.backbone.compile(fullgraph=True)
    for _ in range(2):
        prepare_for_inference(model, dtype=torch.float32)
        torch.testing.assert_close(model.backbone(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_compiled_scores_are_those_of_the_plain_network():
    plain = scores(recognizer("f4d"))
    fast = scores(prepare_for_inference(recognizer("f4d"), dtype=torch.float32))
    torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-5)


@needs_a_compiler
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("kind", ["f4d", "v4d"])
def test_backbone_is_one_graph(kind, training):
    backbone = recognizer(kind).backbone.train(training)
    x = VIDEOS[:, 0]
    torch.manual_seed(1)
    expected = backbone(x)
    graph = torch.compile(backbone, backend="eager", fullgraph=True)
    torch.manual_seed(1)
    torch.testing.assert_close(graph(x), expected, rtol=1e-4, atol=1e-4)


@needs_a_compiler
@pytest.mark.slow
def test_compile_is_a_key_of_the_config_that_changes_no_name_and_no_number():
    plain, compiled = recognizer("f4d"), recognizer("f4d", compile=True)
    assert list(compiled.state_dict()) == list(plain.state_dict())
    graphs = counters["stats"]["unique_graphs"]
    with dynamo.patch(**{LIMIT: 1}):
        for videos in (VIDEOS, VIDEOS[:1], VIDEOS[:, :, :2]):  # more shapes than the limit
            found = compiled(videos, mode="tensor", stage="head")
            expected = plain(videos, mode="tensor", stage="head")
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert counters["stats"]["unique_graphs"] - graphs == 3


@pytest.mark.parametrize(
    ("model", "options", "error"),
    [
        (nn.Linear(1, 1), {}, TypeError),
        (nn.ModuleDict(dict(backbone=nn.Linear(1, 1))), dict(dtype=torch.int8), ValueError),
    ],
)
def test_refuses_what_it_cannot_speed_up(model, options, error):
    with pytest.raises(error, match=r"expected a recognizer|must be float32"):
        prepare_for_inference(model, **options)
