"""Writes one page about a set of runs: `python report.py --help`."""

import sys

from engram.cli.starting import report

if __name__ == "__main__":
    sys.exit(report())
