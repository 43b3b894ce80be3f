"""The gated Transformer: its layers, and the memory made of them."""
