"""Grids: every job is a command of its own, in a process of its own, and has a record that outlives both."""
