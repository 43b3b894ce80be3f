"""The policy as a file that needs no torch."""
