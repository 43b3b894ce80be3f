"""A single step outside the graph: what is kept from step to step, the step's definition, and the same in C."""
