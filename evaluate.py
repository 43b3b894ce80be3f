"""Evaluates runs on layouts that were never trained on: `python evaluate.py --help`."""

import sys

from engram.cli.starting import evaluate

if __name__ == "__main__":
    sys.exit(evaluate())
