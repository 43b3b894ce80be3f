"""The tasks, by what has to be remembered: a maze, a sequence, a corridor's cue, a velocity."""
