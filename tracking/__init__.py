"""What happens around a run: its folder, its versions, a clean stop. Callbacks and writers have their own packages."""

from engram.tracking.interrupt import StopRequest
from engram.tracking.run_folder import RunFolder
from engram.tracking.versions import git_commit, versions

__all__ = ["RunFolder", "StopRequest", "git_commit", "versions"]
