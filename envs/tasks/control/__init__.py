"""Classic control with the velocities hidden."""
