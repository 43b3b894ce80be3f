"""Where the record of a training goes: a CSV file, Weights & Biases."""
