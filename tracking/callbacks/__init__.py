"""What watches a training: validation, progress, layouts met, the gate, the drift of the state, snapshots, stops."""

from engram.tracking.callbacks.boundary import Boundary
from engram.tracking.callbacks.gate_selectivity import GateSelectivity
from engram.tracking.callbacks.layouts import LayoutCount
from engram.tracking.callbacks.progress import ProgressLine
from engram.tracking.callbacks.snapshots import Snapshots
from engram.tracking.callbacks.state_drift import StateDrift
from engram.tracking.callbacks.stop import StopOnRequest
from engram.tracking.callbacks.validation import Validation

__all__ = [
    "Boundary",
    "GateSelectivity",
    "LayoutCount",
    "ProgressLine",
    "Snapshots",
    "StateDrift",
    "StopOnRequest",
    "Validation",
]
