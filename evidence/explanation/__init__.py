"""One episode explained: what was read at each step, which step wrote it, and what each event changes."""
