"""Memories whose read of one step enters the controller at the next, so that time is a loop."""
