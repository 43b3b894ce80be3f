"""Copying, recalling, sorting by supervised learning: `python -m benchmarks.algorithmic --help`."""
