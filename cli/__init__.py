"""The command lines: `train.py`, `evaluate.py`, `report.py`, and how they speak on a terminal."""
