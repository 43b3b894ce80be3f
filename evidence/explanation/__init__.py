"""One episode explained: what was read, where it was written, and what it changed."""
