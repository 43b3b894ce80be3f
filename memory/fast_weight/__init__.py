"""Fast weights by the gated delta rule."""
