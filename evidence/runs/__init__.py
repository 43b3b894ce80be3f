"""Run folders, opened and read."""
