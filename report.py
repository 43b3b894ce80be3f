"""Writes one page about a set of runs: `python report.py --help`."""

import sys

from engram.cli.report import main

if __name__ == "__main__":
    sys.exit(main())
