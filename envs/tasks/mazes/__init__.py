"""Mazes of MiniGrid in which something has to be recalled, and what draws them."""
