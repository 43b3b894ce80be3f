"""Peers, trained by our own envs."""
