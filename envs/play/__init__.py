"""Any task by keyboard in the terminal: `python -m envs.play --help`."""
