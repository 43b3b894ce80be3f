"""What turns one kind of observation into features: grids of symbols, images."""
