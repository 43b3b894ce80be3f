"""Any task by keyboard in the terminal: `python -m engram.envs.play --help`."""
