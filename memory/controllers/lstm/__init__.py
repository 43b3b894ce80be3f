"""The LSTM: its definition, and faster paths held to it."""
