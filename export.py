"""Writes the agent of a run to a file that runs without torch: `python export.py --help`."""

import sys

from engram.cli.starting import export

if __name__ == "__main__":
    sys.exit(export())
