"""The gated Transformer, as a memory and as a controller."""
