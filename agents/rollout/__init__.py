"""Playing T steps of B envs, and what is kept of them: observations, actions, rewards, decisions, first visits."""
