"""Trains an agent with an external memory: `python train.py --help`."""

import sys

from engram.cli.starting import train

if __name__ == "__main__":
    sys.exit(train())
