"""The episodic memory: it keeps events, not vectors."""
