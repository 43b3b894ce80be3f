"""Tasks, wrappers, the split by layout and the factory; importing this registers every task with Gymnasium."""

from envs import registration
from envs.factory import make_env, make_vec_env
from envs.leakage import measure_leakage
from envs.split import distinct_layouts, warn_if_few_layouts

__all__ = ["distinct_layouts", "make_env", "make_vec_env", "measure_leakage", "registration", "warn_if_few_layouts"]
