"""Where the record of a training goes: a CSV file, Weights & Biases (`wandb`, whose import takes a second)."""

from engram.tracking.writers.csv import MetricsFile

__all__ = ["MetricsFile"]
