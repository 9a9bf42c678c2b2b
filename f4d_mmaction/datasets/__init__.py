"""Transforms and datasets for videos read as action units."""

from .transforms import *  # noqa: F403
