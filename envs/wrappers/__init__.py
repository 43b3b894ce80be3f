"""What stands between a task and the agent: symbols or pixels, actions, rewards, the cue."""
