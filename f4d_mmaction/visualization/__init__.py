"""Pictures: error curves, attention, timelines."""

from .curves import Errors, plot_runs, read_errors

__all__ = ["Errors", "plot_runs", "read_errors"]
