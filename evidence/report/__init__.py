"""One page about a set of runs."""
