"""Playing a trained agent: episodes, interventions on its memory, recordings, and what is counted on the way."""
