"""MemoryPPO is constructed as stock PPO is; what is ours is named, or stands in `policy_kwargs`."""

import inspect

import numpy as np
import pytest
import torch
from own_memories import Counting, Registers
from small import SMALL, STEPS_OF_A_ROLLOUT, observed, predictions, small, weights
from stable_baselines3 import PPO
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, FlattenExtractor
from staggered import vec_env

from engram.agents import ENCODERS, MemoryPPO, register_encoder
from engram.agents.arguments import NOT_SUPPORTED
from engram.memory import CONTROLLERS, MEMORIES
from engram.memory.controllers.gru.definition import GRU
from engram.memory.dnc.memory import DNC
from engram.memory.state import leaves

OURS = {"memory", "memory_kwargs", "controller", "controller_kwargs", "encoder", "encoder_kwargs", "chunk_length"}
OURS |= {"bonus", "novelty_coef", "novelty_fraction", "precision", "normalize_returns", "reward_coef", "recall_coef"}


class Doubled(BaseFeaturesExtractor):
    """An encoder of one's own."""

    def __init__(self, observation_space, width=5):
        super().__init__(observation_space, width)
        self.layer = torch.nn.Linear(observation_space.shape[0], width)

    def forward(self, observations):
        return 2 * self.layer(observations)


class WideGRU(GRU):
    """A controller of one's own, with an argument of its own and those of its parent."""

    def __init__(self, input_size, factor=2, **kwargs):
        super().__init__(input_size, **kwargs)
        self.factor = factor


@pytest.fixture(autouse=True)
def registries():
    """Forget what a test has registered."""
    before = [(registry, dict(registry)) for registry in (MEMORIES, CONTROLLERS, ENCODERS)]
    yield
    for registry, content in before:
        registry.clear()
        registry.update(content)


# The constructor.


def test_the_positions_and_names_are_those_of_stock_ppo():
    theirs, mine = (inspect.signature(algorithm).parameters for algorithm in (PPO, MemoryPPO))
    positional = [name for name, one in mine.items() if one.kind is one.POSITIONAL_OR_KEYWORD]
    assert positional == list(theirs)
    assert {name for name, one in mine.items() if one.kind is one.KEYWORD_ONLY} == OURS
    for name in NOT_SUPPORTED:
        assert mine[name].default == theirs[name].default == NOT_SUPPORTED[name]


def test_the_defaults_that_are_not_stock_ppos():
    theirs, mine = (inspect.signature(algorithm).parameters for algorithm in (PPO, MemoryPPO))
    differing = {name: mine[name].default for name, one in theirs.items() if mine[name].default != one.default}
    assert differing == {"learning_rate": 1e-3, "n_steps": 256, "batch_size": None, "n_epochs": 4, "ent_coef": 0.01}
    ours = {name: mine[name].default for name in OURS}
    assert {name: value for name, value in ours.items() if value is not None} == {
        "bonus": "sights",
        "novelty_coef": 0.02,
        "novelty_fraction": 0.8,
        "precision": "float32",
        "normalize_returns": True,
        "reward_coef": 0.5,
        "recall_coef": 0.0,
    }


def test_a_position_means_what_it_means_in_stock_ppo():
    model = MemoryPPO("MemoryPolicy", vec_env(), 3e-3, 20, 60, 2, 0.9, 0.8, device="cpu")
    assert model.policy.optimizer.param_groups[0]["lr"] == 3e-3
    assert (model.n_steps, model.batch_size, model.n_epochs, model.gamma, model.gae_lambda) == (20, 60, 2, 0.9, 0.8)


def test_without_an_env_nothing_is_built():
    model = MemoryPPO("MemoryPolicy", None, _init_setup_model=False)
    assert not hasattr(model, "chunks")
    with pytest.raises(ValueError, match=r"^env=None: .*give one$"):
        MemoryPPO("MemoryPolicy", None)


# Architecture in either place.


def test_the_architecture_may_stand_in_policy_kwargs():
    architecture = {
        "memory": "dnc",
        "memory_kwargs": {"slots": 5, "word_size": 3},
        "controller": "gru",
        "controller_kwargs": {"hidden_size": 7},
        "encoder_kwargs": {"features_dim": 9},
    }
    beside = {"features_dim": 11, "net_arch": [13]}
    rest = {key: value for key, value in SMALL.items() if not key.endswith("kwargs")}
    inside = MemoryPPO("MemoryPolicy", vec_env(), policy_kwargs={**architecture, **beside}, **rest)
    named = MemoryPPO("MemoryPolicy", vec_env(), policy_kwargs=beside, **architecture, **rest)
    assert isinstance(inside.policy.core.memory, DNC)
    assert torch.equal(weights(inside), weights(named))
    assert inside.policy_kwargs == named.policy_kwargs
    both = MemoryPPO("MemoryPolicy", vec_env(), policy_kwargs={**architecture, **beside}, **architecture, **rest)
    assert torch.equal(weights(both), weights(named))


def test_policy_kwargs_of_a_script_are_those_that_load_compares(tmp_path):
    policy_kwargs = {"memory": "ntm", "memory_kwargs": {"slots": 5}, "net_arch": [13]}
    small(memory_kwargs=None, controller_kwargs=None, policy_kwargs=policy_kwargs).save(tmp_path / "agent")
    MemoryPPO.load(tmp_path / "agent", policy_kwargs=policy_kwargs, device="cpu")
    with pytest.raises(ValueError, match=r"^policy_kwargs=.*'dnc'.* cannot be changed by load: the saved .*'ntm'"):
        MemoryPPO.load(tmp_path / "agent", policy_kwargs={**policy_kwargs, "memory": "dnc"}, device="cpu")
    with pytest.raises(ValueError, match=r"^memory belongs to the saved agent and cannot be changed by load"):
        MemoryPPO.load(tmp_path / "agent", memory="dnc", device="cpu")


def test_stock_names_of_an_encoder_are_understood():
    stock = {"features_extractor_class": Doubled, "features_extractor_kwargs": {"width": 7}}
    one = small(policy_kwargs=stock)
    other = small(encoder=Doubled, encoder_kwargs={"width": 7}, policy_kwargs={})
    assert torch.equal(weights(one), weights(other))
    assert one.policy.features_extractor.layer.out_features == 7
    with pytest.raises(ValueError, match=r"^encoder=.* and features_extractor_class=.*FlattenExtractor'> differ"):
        small(encoder=Doubled, policy_kwargs={"features_extractor_class": FlattenExtractor})


# Classes and names of one's own.


def test_classes_are_taken_as_well_as_names(tmp_path):
    own = {"memory": Registers, "memory_kwargs": {"registers": 5}}
    own |= {"controller": WideGRU, "controller_kwargs": {"factor": 3, "hidden_size": 7}, "encoder": Doubled}
    model = small(**own)
    model.learn(2 * STEPS_OF_A_ROLLOUT)
    model.save(tmp_path / "agent")
    again = {"memory": Registers, "controller": WideGRU, "encoder": Doubled}
    again = {f"policy_kwargs.{part}": cls for part, cls in again.items()}
    loaded = MemoryPPO.load(tmp_path / "agent", device="cpu", custom_objects=again)
    assert type(loaded.policy.core.memory) is Registers
    assert (loaded.policy.core.controller.factor, loaded.policy.core.controller.hidden_size) == (3, 7)
    assert np.array_equal(predictions(loaded, observed()), predictions(model, observed()))
    with pytest.raises(ValueError, match=r"'WideGRU' has no argument 'facto'; did you mean 'factor'\? .*: factor, h"):
        small(controller=WideGRU, controller_kwargs={"facto": 3})


def test_names_are_registered_as_a_call_or_as_a_decorator(tmp_path):
    assert MEMORIES.register("counting", Counting) is Counting
    assert CONTROLLERS.register("wide")(WideGRU) is WideGRU

    @register_encoder("doubled")
    class Mine(Doubled):
        pass

    model = small(memory="counting", memory_kwargs={}, controller="wide", encoder="doubled")
    assert isinstance(model.policy.core.memory, Counting)
    assert isinstance(model.policy.features_extractor, Mine)
    model.save(tmp_path / "agent")
    MEMORIES.pop("counting")
    with pytest.raises(ValueError, match=r"unknown memory 'counting'; .*once the module that registers it is imported"):
        MemoryPPO.load(tmp_path / "agent", device="cpu")


def test_a_taken_name_is_refused_unless_it_is_the_same_class():
    MEMORIES.register("counting", Counting)
    MEMORIES.register("counting", Counting)
    # A cell of a notebook that is run again makes the class anew.
    MEMORIES.register("counting", type("Counting", (Counting,), {"__module__": "own_memories"}))
    with pytest.raises(ValueError, match=r"^memory 'counting' is own_memories.Counting already; choose another name"):
        MEMORIES.register("counting", Registers)
    with pytest.raises(ValueError, match=r"^memory 'dnc' is engram.memory.dnc.memory.DNC already"):
        MEMORIES.register("dnc", Registers)


@pytest.mark.parametrize(("name", "line"), [("my memory", "must be a word"), (3, "must be a word"), ("", "must be a")])
def test_a_name_that_cannot_be_typed_is_refused(name, line):
    with pytest.raises(ValueError, match=rf"^memory name {name!r} {line}"):
        MEMORIES.register(name, Counting)


def test_a_class_of_another_kind_is_refused():
    with pytest.raises(ValueError, match=r"^controller <.*Counting'> must be a subclass of engram\..*Controller$"):
        CONTROLLERS.register("counting", Counting)
    with pytest.raises(ValueError, match=r"^encoder .* must be a subclass of stable_b.*BaseFeaturesExtractor$"):
        register_encoder("linear", torch.nn.Linear)


def test_an_argument_without_a_default_has_to_be_given():
    class Needs(Counting):
        def __init__(self, encode, event, encoded_size, hidden_size, width):
            super().__init__(encode, event, encoded_size, hidden_size)

    with pytest.raises(ValueError, match=r"^memory 'Needs' needs a value for: width; see memory_kwargs$"):
        small(memory=Needs, memory_kwargs={})
    small(memory=Needs, memory_kwargs={"width": 3})


def test_a_class_without_a_name_is_named_by_the_file_and_given_again(tmp_path):
    class Own(Counting):
        pass

    policy_kwargs = {"memory": Own, "activation_fn": torch.nn.ELU}
    small(policy_kwargs=policy_kwargs, memory_kwargs=None, controller_kwargs=None).save(tmp_path / "agent")
    with pytest.raises(ValueError, match=r"agent: policy_kwargs.memory is tests.*, which no file holds: give it ag"):
        MemoryPPO.load(tmp_path / "agent", device="cpu")
    for again in ({"policy_kwargs": policy_kwargs}, {"custom_objects": {"policy_kwargs.memory": Own}}):
        loaded = MemoryPPO.load(tmp_path / "agent", device="cpu", **again)
        assert type(loaded.policy.core.memory) is Own
        assert loaded.policy.activation_fn is torch.nn.ELU


# What is the user's is given what the pages promise.


def test_a_memory_is_shown_one_event():
    shown = []

    class Looks(Counting):
        def __init__(self, encode, event, encoded_size, hidden_size):
            super().__init__(encode, event, encoded_size, hidden_size)
            shown.append((event, encoded_size, hidden_size))

    small(memory=Looks, memory_kwargs={})
    ((event, encoded_size, hidden_size),) = shown
    assert [leaf.shape[0] for leaf in leaves(event)] == [1, 1]
    assert (encoded_size, hidden_size) == (11, 7)


def test_an_encoder_is_in_training_mode_while_it_learns_and_only_then():
    modes = []

    class Watched(Doubled):
        def forward(self, observations):
            modes.append((self.training, torch.is_grad_enabled()))
            return super().forward(observations)

    small(encoder=Watched).learn(STEPS_OF_A_ROLLOUT)
    assert set(modes) == {(False, False), (True, True)}
