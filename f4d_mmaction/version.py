"""The version of f4d_mmaction."""

__version__ = "0.1.0"
