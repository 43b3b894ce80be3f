"""What cannot be exported is said in one line, and an export leaves the agent as it was."""

import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from staggered import agent, vec_env
from torch import nn
from torch.distributions import Distribution

from engram.agents.export.onnx import export_onnx


class Plain(BaseFeaturesExtractor):
    def __init__(self, observation_space, features_dim=7):
        super().__init__(observation_space, features_dim)
        self.linear = nn.Linear(4, features_dim)

    def forward(self, observations):
        return torch.tanh(self.linear(observations))


class Looking(Plain):
    def forward(self, observations):
        return self.linear(observations * 2 if observations.max() > 3 else observations)


class Unknown(Plain):
    def forward(self, observations):
        return self.linear(observations + torch.linalg.qr(observations)[0][:, :1])


def test_an_encoder_of_the_users_own(tmp_path):
    export_onnx(agent(vec_env(), "none", encoder=Plain), tmp_path / "policy.onnx")
    assert (tmp_path / "policy.onnx").is_file()
    assert [file.name for file in tmp_path.iterdir()] == ["policy.onnx"], "the weights are in the file"


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        (
            {"memory": "none", "encoder": Looking},
            r"^the agent cannot be exported: test_onnx.py, line \d+: .*data-dependent.*$",
        ),
        ({"memory": "none", "encoder": Unknown}, r"^the agent cannot be exported: .*linalg_qr.*$"),
        ({"memory_kwargs": {"slots": 4, "read": "sparse", "k": 3}}, r"^read=sparse: a sparse read cannot .*$"),
    ],
)
def test_what_cannot_be_exported(kwargs, said, tmp_path, capfd):
    with pytest.raises(ValueError, match=said):
        export_onnx(agent(vec_env(), **kwargs), tmp_path / "policy.onnx")
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, "2", None])
def test_no_batch(tmp_path, batch_size):
    with pytest.raises(ValueError, match=rf"^batch_size={batch_size!r} must be a whole number of at least 1$"):
        export_onnx(agent(vec_env()), tmp_path / "policy.onnx", batch_size)


def test_an_agent_without_a_memory(tmp_path):
    stock = PPO("MlpPolicy", "CartPole-v1", device="cpu")
    for model in (stock, stock.policy):
        with pytest.raises(ValueError, match=r"^an agent of ActorCriticPolicy has no memory; what is exported is a "):
            export_onnx(model, tmp_path / "policy.onnx")


@pytest.mark.parametrize("name", ["onnx", "onnxscript"])
def test_a_package_that_is_missing(name, tmp_path, monkeypatch):
    monkeypatch.setattr("engram.agents.export.onnx.find_spec", lambda wanted: None if wanted == name else wanted)
    with pytest.raises(ValueError, match=rf"^an export needs {name}: pip install 'engram-rl\[export\]'$"):
        export_onnx(agent(vec_env()), tmp_path / "policy.onnx")


def test_the_agent_stays_as_it_is(tmp_path):
    model = agent(vec_env())
    model.policy.set_training_mode(True)
    before, chance, checks = model.policy.state_dict(), torch.get_rng_state(), Distribution._validate_args
    before = {name: weight.clone() for name, weight in before.items()}
    export_onnx(model.policy, tmp_path / "policy.onnx")
    assert model.policy.training
    assert all(torch.equal(weight, before[name]) for name, weight in model.policy.state_dict().items())
    assert torch.equal(torch.get_rng_state(), chance)
    assert Distribution._validate_args == checks
    assert not torch.compiler.is_exporting()
