"""What happens around a run: its folder, its metrics, validation, progress on the terminal, a clean stop."""

from engram.tracking.callbacks.gate_selectivity import GateSelectivity
from engram.tracking.callbacks.layouts import LayoutCount
from engram.tracking.callbacks.progress import ProgressLine
from engram.tracking.callbacks.state_drift import StateDrift
from engram.tracking.callbacks.stop import StopOnRequest
from engram.tracking.callbacks.validation import Validation
from engram.tracking.interrupt import StopRequest
from engram.tracking.run_folder import RunFolder
from engram.tracking.versions import git_commit, versions
from engram.tracking.writers.csv import MetricsFile
from engram.tracking.writers.wandb import WandbWriter, open_wandb

__all__ = [
    "GateSelectivity",
    "LayoutCount",
    "MetricsFile",
    "ProgressLine",
    "RunFolder",
    "StateDrift",
    "StopOnRequest",
    "StopRequest",
    "Validation",
    "WandbWriter",
    "git_commit",
    "open_wandb",
    "versions",
]
