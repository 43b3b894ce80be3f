"""Agents beside each other, over seeds."""
