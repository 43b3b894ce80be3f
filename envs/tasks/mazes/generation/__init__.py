"""Random mazes as sets of open cells: a corridor, a corridor with forks, or a tree of corridors."""
