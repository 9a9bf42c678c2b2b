"""The version of f4d_mmaction."""

__version__ = "1.0.0"
