"""One run evaluated: which conditions are played, what they scored, what that proves."""
