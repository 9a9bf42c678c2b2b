"""Kinds of number on the command lines of tools, for the ``type`` of argparse."""

import argparse
import math


def count(text: str) -> int:
    """An argument of at least 1."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return number


def natural(text: str) -> int:
    """An argument of at least 0."""
    if (number := int(text)) < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return number


def amount(text: str) -> float:
    """An argument above 0."""
    if not 0 < (number := float(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number
