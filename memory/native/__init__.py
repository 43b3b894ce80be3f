"""Steps in C, compiled on first use."""
