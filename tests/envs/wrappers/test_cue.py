from grid_probes import shown

from benchmarks.players.grids import choices, oracle
from engram.envs import make_env


def test_minigrids_memory_reports_when_its_cue_is_in_sight():
    env = make_env("MiniGrid-MemoryS9-v0", view_size=3, split="test", seed=0)
    assert all(oracle(env).success for _ in range(30))  # which reads the cue from the frame that is reported
    env.action_space.seed(0)
    seen = set()
    for _ in range(5):
        observation, info = env.reset()
        for _ in range(40):
            assert info["cue_visible"] == shown(env.unwrapped, observation, choices(env).cue)
            seen.add(info["cue_visible"])
            observation, _, terminated, truncated, info = env.step(env.action_space.sample())
            if terminated or truncated:
                break
    assert seen == {False, True}
