"""Pictures: error curves, attention, timelines."""

from .attention import attention_video, contact_sheet
from .curves import Errors, plot_runs, read_errors
from .timeline import draw_timeline, timeline_video
from .video import write_video

__all__ = [
    "Errors",
    "attention_video",
    "contact_sheet",
    "draw_timeline",
    "plot_runs",
    "read_errors",
    "timeline_video",
    "write_video",
]
