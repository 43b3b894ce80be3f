"""Bonuses for exploration: how new what a step led to is, for every memory and control alike."""
