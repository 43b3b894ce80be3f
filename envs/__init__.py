"""Tasks, wrappers, the split by layout and the factory; importing this registers every task with Gymnasium."""

from engram.envs import registration
from engram.envs.device.vec_env import TensorVecEnv
from engram.envs.factory import adapt_env, make_env, make_tensor_env, make_vec_env
from engram.envs.gymnasium_vector import GymnasiumVecEnv
from engram.envs.split.count import distinct_layouts, warn_if_few_layouts
from engram.envs.split.leakage import measure_leakage

__all__ = [
    "GymnasiumVecEnv",
    "TensorVecEnv",
    "adapt_env",
    "distinct_layouts",
    "make_env",
    "make_tensor_env",
    "make_vec_env",
    "measure_leakage",
    "registration",
    "warn_if_few_layouts",
]
