"""What watches a training: validation, progress, layouts met, the gate, the drift of the state, a stop."""
