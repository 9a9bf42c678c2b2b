"""Measurements of cost: arithmetic and time."""
