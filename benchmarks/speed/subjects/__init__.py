"""What is measured: agents, an env whose script is fixed, and where the time of an iteration goes."""
