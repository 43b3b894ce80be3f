"""Acting and learning: the policy with a memory, its rollouts, losses and PPO."""

from engram.agents.encoder import ENCODERS, register_encoder
from engram.agents.exploration.interface import Bonus, Seen
from engram.agents.exploration.registry import BONUSES, register_bonus
from engram.agents.policy import MemoryPolicy
from engram.agents.ppo import MemoryPPO
from engram.agents.rollout.observation_check import WrongStep
from engram.agents.steps import AgentState

__all__ = [
    "BONUSES",
    "ENCODERS",
    "AgentState",
    "Bonus",
    "MemoryPPO",
    "MemoryPolicy",
    "Seen",
    "WrongStep",
    "register_bonus",
    "register_encoder",
]
