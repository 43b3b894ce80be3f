"""What happens around a run: its folder, its metrics, validation, progress on the terminal, a clean stop."""

from tracking.examination import Examined, Trial, examine
from tracking.interrupt import StopOnRequest, StopRequest
from tracking.layouts import LayoutCount
from tracking.metrics import MetricsFile
from tracking.progress import ProgressLine
from tracking.report import JSON_KEYS, Condition, Report, Score, print_report, verdict
from tracking.run_folder import RunFolder
from tracking.selectivity import GateSelectivity
from tracking.validation import Validation
from tracking.versions import git_commit, versions
from tracking.wandb_writer import WandbWriter, open_wandb

__all__ = [
    "JSON_KEYS",
    "Condition",
    "Examined",
    "GateSelectivity",
    "LayoutCount",
    "MetricsFile",
    "ProgressLine",
    "Report",
    "RunFolder",
    "Score",
    "StopOnRequest",
    "StopRequest",
    "Trial",
    "Validation",
    "WandbWriter",
    "examine",
    "git_commit",
    "open_wandb",
    "print_report",
    "verdict",
    "versions",
]
