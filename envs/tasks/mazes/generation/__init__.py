"""Random mazes as sets of open cells: one corridor, or a tree of corridors."""
