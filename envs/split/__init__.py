"""Held-out layouts: which side an episode is on, and proof that the sides share nothing."""
