"""The tasks on their own, as docs/reference/tasks.md shows it."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "tasks.md"


def test_the_tasks_alone_run_as_the_page_says():
    section = PAGE.read_text().split("## Only the tasks")[1]
    names = {}
    exec(re.findall(r"```python\n(.*?)```", section, re.DOTALL)[0], names)
    raw, env, vector_env = names["raw"], names["env"], names["vector_env"]
    assert set(raw.observation_space.spaces) == {"image", "direction", "mission"}
    assert raw.action_space.n == 7
    assert env.observation_space.shape == (3, 3, 3)
    assert env.action_space.n == 3
    observations, infos = vector_env.reset(seed=0)
    assert observations.shape == (4, 3, 3, 3)
    assert len(set(infos["layout"])) == 4
    vector_env.close()
