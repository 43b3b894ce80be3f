"""Scripts that measure and draw; not part of the distribution."""
