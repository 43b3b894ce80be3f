"""What happens around a run: its folder, its metrics, validation, progress on the terminal, a clean stop."""

from tracking.interrupt import StopOnRequest, StopRequest
from tracking.layouts import LayoutCount
from tracking.metrics import MetricsFile
from tracking.progress import ProgressLine
from tracking.run_folder import RunFolder
from tracking.selectivity import GateSelectivity
from tracking.state_drift import StateDrift
from tracking.validation import Validation
from tracking.versions import git_commit, versions
from tracking.wandb_writer import WandbWriter, open_wandb

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
