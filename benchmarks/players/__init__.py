"""Scripted players: what a task is worth to one who remembers, to one who guesses, and to chance."""
