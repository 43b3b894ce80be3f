"""Where the record of a training goes: a CSV file, Weights & Biases."""

from engram.tracking.writers.csv import MetricsFile
from engram.tracking.writers.wandb import WandbWriter, open_wandb

__all__ = ["MetricsFile", "WandbWriter", "open_wandb"]
