"""A benchmark of long-range order: classes that differ only in the order of their phases.

A video is a sequence of phases. In each phase one actor, a colored shape, moves across the frame.
Every class holds the same phases once each; a class is an *order* of them. What a network reads
from single frames or short clips, pooled without regard to time, is therefore the same for every
class: only a model that relates distant action units to each other can distinguish them.

The files are real: encoded videos (or folders of jpg frames) and annotation lists in MMAction2's
text format, with the ground truth of every frame in ``meta.json``.
"""

from .drawing import plan_video, render_video
from .generating import generate, read_meta, write_first_and_last
from .options import PRESETS, PhaseOrderOptions, options_of
from .preview import preview

__all__ = [
    "PRESETS",
    "PhaseOrderOptions",
    "generate",
    "options_of",
    "plan_video",
    "preview",
    "read_meta",
    "render_video",
    "write_first_and_last",
]
