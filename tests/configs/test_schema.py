"""The configuration composes, and agrees with the classes that it configures."""

from __future__ import annotations

import inspect
import math
import re
import typing
from dataclasses import fields
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf
from stable_baselines3 import PPO
from tiny_runs import TINY, composed, tiny_run

from engram.agents import MemoryPPO
from engram.agents.settings import RANGES
from engram.cli.help import about, choices, help_text
from engram.configs import CannotRun, TrainConfig, checked, load
from engram.configs.keys import own_keys, schema_keys
from engram.configs.parts import CHOICES, PartConfig
from engram.configs.schema import PPOConfig
from engram.memory import CONTROLLERS, MEMORIES

ENVS = [
    "babyai",
    "binding",
    "chain",
    "counting",
    "match",
    "match_s13",
    "maze_match",
    "maze_return",
    "maze_sequence",
    "minigrid_memory",
    "position_cartpole",
    "position_pendulum",
    "repeat_previous",
    "reverse_recall",
    "room",
    "tmaze",
    "tmaze_active",
]


def test_every_env_is_tried_below() -> None:
    # Of these two the id is to be named.
    assert set(choices()["env"]) == {*ENVS, "gym", "popgym"}


@pytest.mark.parametrize("env", ENVS)
def test_every_env_composes(env: str) -> None:
    assert composed(f"env={env}").env.id


@pytest.mark.parametrize("memory", choices()["memory"])
def test_every_memory_composes(memory: str) -> None:
    assert composed(f"memory={memory}").memory.name == ("episodic" if memory.startswith("episodic_") else memory)


@pytest.mark.parametrize("controller", choices()["controller"])
def test_every_controller_composes(controller: str) -> None:
    assert composed(f"controller={controller}").controller.name == controller


@pytest.mark.parametrize(
    ("env", "memory", "controller"),
    [("room", "dnc", "gru"), ("tmaze", "transformer", "transformer"), ("chain", "none", "feedforward")],
)
def test_groups_do_not_touch_each_other(env: str, memory: str, controller: str) -> None:
    config = composed(f"env={env}", f"memory={memory}", f"controller={controller}")
    assert config.env == composed(f"env={env}").env
    assert config.memory == composed(f"memory={memory}").memory
    assert config.controller == composed(f"controller={controller}").controller


@pytest.mark.parametrize("experiment", choices()["experiment"])
def test_every_experiment_composes(experiment: str) -> None:
    assert composed(f"experiment={experiment}").total_timesteps > 0


@pytest.mark.parametrize("experiment", choices()["experiment"])
def test_every_experiment_has_its_control_without_a_memory(experiment: str) -> None:
    with_memory, control = composed(f"experiment={experiment}"), composed(f"experiment={experiment}", "memory=none")
    assert (with_memory.memory.name, control.memory.name) == ("episodic", "none")
    assert (control.env, control.ppo) == (with_memory.env, with_memory.ppo)


@pytest.mark.parametrize("mode", choices()["tracking"])
def test_every_tracking_mode_is_called_as_it_is(mode: str) -> None:
    assert composed(f"tracking={mode}").tracking.mode.name == mode


def test_command_line_wins_over_experiment() -> None:
    config = composed("experiment=tmaze_long", "memory=none", "ppo.n_steps=7", "ppo.learning_rate=3e-4")
    assert (config.memory.name, config.ppo.n_steps, config.ppo.learning_rate) == ("none", 7, 3e-4)


def test_any_registered_env_can_be_named() -> None:
    config = composed("env=gym", "env.id=CartPole-v1", "env.module=gymnasium", "+env.kwargs.render_mode=rgb_array")
    assert config.env.id == "CartPole-v1"
    assert config.env.kwargs == {"render_mode": "rgb_array"}
    assert not config.env.split


COMMON = {item.name for item in fields(PartConfig)}


def test_every_memory_has_a_schema_with_its_own_arguments() -> None:
    assert set(CHOICES["memory"]) == set(MEMORIES)
    # A choice may set other numbers for the same memory.
    assert {composed(f"memory={choice}").memory.name for choice in choices()["memory"]} == set(MEMORIES)
    common = {"self", "encode", "event", "encoded_size", "hidden_size"}
    for name, memory in MEMORIES.items():
        arguments = set(inspect.signature(memory).parameters) - common
        assert {item.name for item in fields(CHOICES["memory"][name])} - COMMON == arguments, name


def test_every_controller_has_a_schema_with_its_own_arguments() -> None:
    assert set(CHOICES["controller"]) == set(CONTROLLERS) == set(choices()["controller"])
    for name, controller in CONTROLLERS.items():
        arguments = set(inspect.signature(controller).parameters) - {"input_size"}
        config = composed(f"controller={name}").controller
        assert type(config) is CHOICES["controller"][name]
        assert set(own_keys(config)) == arguments, name


@pytest.mark.parametrize(
    ("group", "name"), [*(("memory", name) for name in MEMORIES), *(("controller", name) for name in CONTROLLERS)]
)
def test_without_a_config_a_part_has_the_sizes_that_the_config_gives_it(group: str, name: str) -> None:
    part = {"memory": MEMORIES, "controller": CONTROLLERS}[group][name]
    config = getattr(composed(f"{group}={name}"), group)
    defaults = {key: item.default for key, item in inspect.signature(part).parameters.items()}
    assert {key: defaults[key] for key in own_keys(config)} == {key: getattr(config, key) for key in own_keys(config)}


def test_every_number_of_ppo_is_an_argument_of_it() -> None:
    arguments = {*inspect.signature(MemoryPPO).parameters, *inspect.signature(PPO).parameters}
    elsewhere = {"learning_rate_final", "ent_coef_final", "features_dim", "net_arch"}
    assert {item.name for item in fields(PPOConfig)} - elsewhere <= arguments


@pytest.mark.parametrize("group", ["experiment", "env"])
def test_every_task_says_what_it_is(group: str) -> None:
    for choice in choices()[group]:
        text = about(group, choice)
        assert len(text.split()) > 4
        assert text.endswith(".")
        assert f"{group}={choice}" in help_text([f"{group}={choice}"])
        assert text in help_text([f"{group}={choice}"])


def test_what_has_no_file_here_says_nothing() -> None:
    assert about("experiment", "mine") == ""
    assert about("memory", "none") == ""


def test_help_lists_every_group_choice_and_key() -> None:
    text = help_text(["env=tmaze"])
    lines = text.splitlines()
    for group, names in choices().items():
        (line,) = (line for line in lines if line.split()[:1] == [group])
        assert {word.rstrip("*") for word in line.split()[1:]} == set(names)
    for key, known in schema_keys(TrainConfig, {"memory": "episodic", "controller": "lstm"}).items():
        (line,) = (line for line in lines if line.strip().startswith(f"{key}="))
        assert line.endswith(f"{known.meaning} ({known.bounds})" if known.bounds else known.meaning)
    assert "env.id=Engram-TMaze-v0" in text


@pytest.mark.parametrize(("part", "name"), [(part, name) for part, schemas in CHOICES.items() for name in schemas])
def test_help_lists_the_keys_of_what_is_chosen_and_no_others(part: str, name: str) -> None:
    text = help_text([f"{part}={name}"])
    listed = {line.split("=")[0].strip() for line in text.splitlines() if line.startswith(f"  {part}.")}
    assert listed == {f"{part}.{item.name}" for item in fields(CHOICES[part][name])}
    for item in fields(CHOICES[part][name]):
        assert any(
            line.startswith(f"  {part}.{item.name}=") and item.metadata["meaning"] in line for line in text.splitlines()
        ), item.name


def test_bounds_of_a_key_are_those_that_the_agent_checks() -> None:
    for name, (low, high) in RANGES.items():
        key = schema_keys(TrainConfig)[f"ppo.{name}"]
        assert (key.low, key.high) == (low, high), name


def test_bounds_follow_from_what_a_number_is() -> None:
    fractions = {"env.random_actions", "env.chance", "ppo.learning_rate", "ppo.learning_rate_final", "ppo.gamma"}
    fractions |= {"ppo.gae_lambda", "ppo.clip_range", "ppo.novelty_fraction"}
    counts = {"total_timesteps", "torch_threads", "env.n_envs", "eval.every", "eval.episodes", "eval.n_envs"}
    counts |= {"snapshots.keep"} | {
        f"ppo.{name}" for name in ("n_steps", "batch_size", "n_epochs", "chunk_length", "features_dim", "net_arch")
    }
    for name, key in schema_keys(TrainConfig).items():
        if name in fractions:
            assert (key.low, key.high) == (0, 1), name
        elif name == "seed":
            assert (key.low, key.high) == (0, 2**31 - 1)
        elif name in ("ppo.n_epochs", "env.n_envs"):
            assert (key.low, key.high) == (1, {"ppo.n_epochs": 1_000, "env.n_envs": 100_000}[name])
        elif key.bounds and name.startswith("memory."):
            assert name in ("memory.hops", "memory.gate_bias")
        elif key.bounds:
            assert (key.low, key.high) == (int(name in {*counts, "tracking.timeout"}), math.inf), name
    assert all(schema_keys(TrainConfig)[name].bounds for name in fractions | counts)


@pytest.fixture(scope="module")
def default() -> DictConfig:
    return OmegaConf.structured(composed())


def changed(default: DictConfig, key: str, value: str) -> TrainConfig:
    """Return the default configuration with a key as it would be typed: `composed`, without Hydra and its second."""
    return checked(typing.cast(DictConfig, OmegaConf.merge(default, OmegaConf.from_dotlist([f"{key}={value}"]))))


@pytest.mark.parametrize("key", [name for name, key in schema_keys(TrainConfig).items() if key.bounds])
def test_a_value_outside_of_its_bounds_is_refused_and_the_bounds_themselves_are_not(
    key: str, default: DictConfig
) -> None:
    known = schema_keys(TrainConfig)[key]
    wrap = "[{}]" if typing.get_origin(known.kind) is list else "{}"
    for bound, step in ((known.low, -1), (known.high, 1)):
        if math.isfinite(bound):
            changed(default, key, wrap.format(bound))
            with pytest.raises(CannotRun, match=rf"{re.escape(key)}=.*{known.bounds}"):
                changed(default, key, wrap.format(bound + step))


CHOSEN = {"memory": "episodic", "controller": "lstm", "encoder": "auto"}
KINDS = {name: {key.kind, *typing.get_args(key.kind)} for name, key in schema_keys(TrainConfig, CHOSEN).items()}


@pytest.mark.parametrize("key", [name for name, kinds in KINDS.items() if kinds & {int, float}])
def test_a_number_that_nobody_can_count_with_is_refused(key: str, default: DictConfig) -> None:
    wrap = "[{}]" if list in map(typing.get_origin, KINDS[key]) else "{}"
    for wrong in ["9" * 13] if int in KINDS[key] else ["nan", "inf", "-inf"]:
        if f"{key}={wrong}" in ("ppo.max_grad_norm=inf", "snapshots.every=inf"):
            changed(default, key, wrong)
        else:
            with pytest.raises(CannotRun, match=rf"^{re.escape(key)}=.*: must be "):
                changed(default, key, wrap.format(wrong))


def test_the_keys_of_a_schema_are_those_of_all_choices_unless_they_are_named() -> None:
    assert {"memory.slots", "memory.window", "controller.layers"} <= set(schema_keys(TrainConfig))
    named = schema_keys(TrainConfig, {"memory": "transformer", "controller": "lstm"})
    assert "memory.slots" not in named
    assert "memory.window" in named
    assert [key for key in named if key.startswith("controller.")] == [
        "controller.name",
        "controller.module",
        "controller.hidden_size",
    ]


def test_saved_config_loads_as_it_was() -> None:
    expected = composed(*TINY, "tracking=offline", f"runs_dir={tiny_run().parent.parent}")
    assert load(tiny_run() / "config.yaml") == expected


@pytest.mark.parametrize("part", ["memory", "controller"])
def test_saved_config_of_another_choice_loads_as_it_was(part: str, tmp_path: Path) -> None:
    expected = composed(f"{part}=transformer", f"{part}.layers=3")
    OmegaConf.save(OmegaConf.structured(expected), tmp_path / "config.yaml")
    loaded = load(tmp_path / "config.yaml")
    assert loaded == expected
    assert own_keys(getattr(loaded, part))["layers"] == 3


def test_a_config_without_an_encoder_has_the_projects_own(tmp_path: Path) -> None:
    expected = composed()
    saved = OmegaConf.structured(expected)
    text = OmegaConf.to_yaml(saved)
    (tmp_path / "config.yaml").write_text(re.sub(r"encoder:\n(  .*\n)+", "", text))
    assert "encoder" not in (tmp_path / "config.yaml").read_text()
    assert load(tmp_path / "config.yaml") == expected
