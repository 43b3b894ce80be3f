"""Acting and learning: the policy with a memory, its rollouts, losses and PPO."""

from agents.policy import AgentState, MemoryPolicy
from agents.ppo import MemoryPPO

__all__ = ["AgentState", "MemoryPPO", "MemoryPolicy"]
