"""What a run has shown, and how sure that is: scores, certificates, horizons, comparisons, and explained episodes."""
