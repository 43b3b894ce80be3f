"""The GRU: its definition, and faster paths held to it."""
