"""The configs on disk, and each with a network that a test can afford."""

from pathlib import Path

from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[2]
RECOGNITION = ROOT / "configs" / "recognition"
CONFIGS = sorted(RECOGNITION.rglob("*.py"))
WIDTH = 8  # of conv1, for 64


def name(path: Path) -> str:
    """A config's path below configs/recognition, without its suffix."""
    return str(path.relative_to(RECOGNITION).with_suffix(""))


def reduced(path: Path, width: int = WIDTH) -> Config:
    """The config with a narrow, random network of the same depth."""
    config = Config.fromfile(path)
    backbone, head = config.model.backbone, config.model.cls_head
    backbone.pretrained = None
    if backbone.type == "ResNetTSM":
        backbone.pretrained2d = False
    if config.model.type == "Recognizer3D":  # the host's 2D ResNet has one width
        head.in_channels = head.in_channels * width // backbone.get("base_channels", 64)
        backbone.base_channels = width
    return config


def sampler(config: Config, subset: str) -> dict:
    """The sampling step of a subset's pipeline."""
    pipeline = config[f"{subset}_dataloader"].dataset.pipeline
    return next(step for step in pipeline if step.type == "SampleActionUnits")
