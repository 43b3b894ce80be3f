"""Evaluates runs on layouts that were never trained on: `python evaluate.py --help`."""

import sys

from engram.cli.evaluate import main

if __name__ == "__main__":
    sys.exit(main())
