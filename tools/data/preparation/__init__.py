"""Annotation lists for MMAction2 from the official annotation files of the five datasets."""

from .core import PreparationError, Summary
from .prepare import prepare

__all__ = ["PreparationError", "Summary", "prepare"]
