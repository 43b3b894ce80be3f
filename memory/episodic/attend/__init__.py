"""Attention to events: its definition in torch, and the same in C, which is several times faster on a CPU."""
