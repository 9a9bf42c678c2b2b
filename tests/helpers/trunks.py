"""Small trunks: registered 4D name -> (name of the host's trunk, options of both)."""

import re

SMALL = dict(base_channels=8, pretrained=None)
TRUNKS = {
    "ResNet4d": ("ResNet3dSlowOnly", dict(depth=18, **SMALL)),
    "I3D4d": ("ResNet3d", dict(depth=50, **SMALL)),
    "ResNet2Plus1d4d": (
        "ResNet2Plus1d",
        dict(
            depth=18,
            pretrained2d=False,
            conv_cfg=dict(type="Conv2plus1d"),
            temporal_strides=(1, 2, 2, 2),
            **SMALL,
        ),
    ),
    "CSN4d": (
        "ResNet3dCSN",
        dict(depth=50, pretrained2d=False, with_pool2=False, bottleneck_mode="ir", **SMALL),
    ),
    "X3D4d": ("X3D", dict(gamma_w=0.5, pretrained=None)),
}


def torchvision_name(key: str) -> str:
    """What torchvision, which is no dependency, calls a weight of the host's ResNet."""
    key = re.sub(r"conv(\d)\.(conv|bn)", r"\2\1", key)
    return key.replace("downsample.conv", "downsample.0").replace("downsample.bn", "downsample.1")
