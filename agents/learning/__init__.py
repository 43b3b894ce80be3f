"""Learning from a rollout: PPO's loss and its passes over minibatches of chunks."""
