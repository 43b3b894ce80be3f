"""The T-Maze: one env, and many at once."""
