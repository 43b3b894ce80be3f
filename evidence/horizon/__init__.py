"""Success against delay."""
