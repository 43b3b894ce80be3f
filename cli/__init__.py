"""The commands that train, evaluate and report."""
