"""Every config on disk: it builds in a fresh process, and trains and predicts at a reduced size."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from reduction import CONFIGS, name, reduced, sampler

# The same network on Something-Something v1 and v2: the last test holds them equal, so that the
# others need to run one of the two.
TWINS = {
    path: path.with_name(path.name.replace("_sthv1", "_sthv2"))
    for path in CONFIGS
    if "_sthv1" in path.stem and path.with_name(path.name.replace("_sthv1", "_sthv2")).exists()
}
SIZE = 32  # pixels, for 224


def batch(config: Config, subset: str, videos: int, views: int) -> dict:
    """What the subset's data loader gives, from noise."""
    step = sampler(config, subset)
    size = (views, step.num_units, 3, step.clip_len, SIZE, SIZE)
    head = config.model.cls_head
    labels = [head.num_classes - 1 - index for index in range(videos)]
    if head.get("multi_class"):
        labels = torch.eye(head.num_classes)[labels]
    return dict(
        inputs=[torch.randint(0, 256, size, dtype=torch.uint8) for _ in range(videos)],
        data_samples=[ActionDataSample().set_gt_label(label) for label in labels],
    )


@pytest.mark.parametrize("path", sorted({*CONFIGS} - {*TWINS.values()}), ids=name)
def test_trains_a_step_and_predicts(path: Path) -> None:
    torch.manual_seed(0)
    config = reduced(path)
    model = MODELS.build(config.model)
    model.init_weights()
    optim_wrapper = build_optim_wrapper(model, config.optim_wrapper)
    before = {key: value.clone() for key, value in model.named_parameters()}

    model.train()
    for _ in range(config.optim_wrapper.get("accumulative_counts", 1)):
        log = model.train_step(batch(config, "train", videos=2, views=1), optim_wrapper)
    assert math.isfinite(log["loss"].item())
    moved = [key for key, value in model.named_parameters() if not torch.equal(value, before[key])]
    for part in ("backbone.conv1", "backbone.layer4", "cls_head"):
        assert any(key.startswith(part) for key in moved), part
    blocks = {key.split(".")[2] for key in before if key.startswith("backbone.blocks4d")}
    assert blocks == {key.split(".")[2] for key in moved if key.startswith("backbone.blocks4d")}

    model.eval()
    with torch.no_grad():
        (sample,) = model.val_step(batch(config, "val", videos=1, views=1))
    assert sample.pred_score.shape == (config.model.cls_head.num_classes,)
    if config.model.cls_head.average_clips == "prob":
        torch.testing.assert_close(sample.pred_score.sum(), torch.tensor(1.0))


BUILD_ALL = """
import json, sys
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

found, networks = {}, {}
for path in sys.argv[1:]:
    config = Config.fromfile(path)
    init_default_scope(config.default_scope)
    config.model.backbone.pretrained = None
    config.model.data_preprocessor.pop("blending", None)  # draws numbers where it is built
    network = repr(config.model)
    if network not in networks:
        with torch.device("meta"):
            model = MODELS.build(config.model)
        networks[network] = sum(p.numel() for p in model.parameters())
    found[path] = networks[network]
    assert config.custom_imports.imports == ["f4d_mmaction"], config.custom_imports
print(json.dumps(found))
"""


def test_all_build_at_full_size_where_nothing_else_was_imported(run_python: Callable) -> None:
    configs = [str(path) for path in CONFIGS]
    done = run_python("-c", BUILD_ALL, *configs)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert list(found) == configs
    assert all(params > 1e5 for params in found.values())


@pytest.mark.parametrize("path", CONFIGS, ids=name)
def test_test_pipeline_is_what_the_loader_runs(path: Path) -> None:
    """MMAction2's ``inference_recognizer`` reads the one, its test script the other."""
    config = Config.fromfile(path)
    assert config.test_pipeline == config.test_dataloader.dataset.pipeline


@pytest.mark.parametrize(("path", "twin"), TWINS.items(), ids=map(name, TWINS))
def test_a_row_on_v2_is_the_row_on_v1_on_other_data(path: Path, twin: Path) -> None:
    one, other = Config.fromfile(path), Config.fromfile(twin)
    assert one.model == other.model
    assert one.optim_wrapper == other.optim_wrapper
    assert one.get("load_from") == other.get("load_from")
    for subset in ("train", "val", "test"):
        assert sampler(one, subset) == sampler(other, subset)
