"""Measurements of cost: arithmetic, time and memory."""
