"""Whether envs report success at all: many Gymnasium envs do not, and then "0 %" would be wrong."""

from __future__ import annotations

from stable_baselines3.common.vec_env import VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from engram.agents.rollout.questions import success_of


class SuccessTracker(VecEnvWrapper):
    """Passes everything through, and sets `knows_success` once any step's info says in `is_success` what it is."""

    knows_success = False

    def reset(self) -> VecEnvObs:
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        observations, rewards, dones, infos = self.venv.step_wait()
        self.knows_success = self.knows_success or any(success_of(info) is not None for info in infos)
        return observations, rewards, dones, infos
