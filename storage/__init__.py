"""Files that are data: what is read from them is checked, and nothing in them is ever executed."""

from engram.storage.archive import read_archive, write_archive
from engram.storage.plain import Plain

__all__ = ["Plain", "read_archive", "write_archive"]
