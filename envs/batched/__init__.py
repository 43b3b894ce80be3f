"""Many envs of one task stepped as one, with a few operations on arrays, and equal to them to the last bit."""
