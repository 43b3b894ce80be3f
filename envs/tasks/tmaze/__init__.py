"""The T-Maze."""
