"""Controllers: the network in front of a memory."""
