"""Acting and learning: the policy with a memory, its rollouts, losses and PPO."""

from engram.agents.policy import AgentState, MemoryPolicy
from engram.agents.ppo import MemoryPPO

__all__ = ["AgentState", "MemoryPPO", "MemoryPolicy"]
