"""Playing a trained agent: episodes, interventions on its memory, recordings, and statistics of its slots."""
