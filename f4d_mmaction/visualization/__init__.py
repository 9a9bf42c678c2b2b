"""Pictures: error curves, attention, timelines."""

from .attention import attention_video, contact_sheet, save_attention
from .curves import Errors, plot_runs, read_errors
from .video import write_video

__all__ = [
    "Errors",
    "attention_video",
    "contact_sheet",
    "plot_runs",
    "read_errors",
    "save_attention",
    "write_video",
]
