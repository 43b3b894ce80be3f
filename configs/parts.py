"""The schema of the agent's parts, of which each choice has keys of its own: memories, controllers, encoders."""

from __future__ import annotations

from dataclasses import dataclass

from engram.configs.options import option


@dataclass
class PartConfig:
    """A part of the agent; a class of its own types the keys of each choice."""

    name: str = option("name of the class")
    module: str | None = option("a module of your own to import first, which registers the class", None)


@dataclass
class NoMemoryConfig(PartConfig):
    """No memory beside the controller."""


@dataclass
class EpisodicMemoryConfig(PartConfig):
    """The episodic event memory."""

    slots: int = option("events kept at most")
    heads: int = option("attention heads of a read")
    key_size: int = option("width of a key, per head")
    value_size: int = option("width of a value, per head")
    hops: int = option("reads per step, each seeing the one before", low=1, high=100)
    gate_bias: float = option("initial bias of the write gate; positive starts it open", low=-100, high=100)
    step_embedding_size: int = option("width of the step embedding that makes order addressable; 0 turns it off")
    read: str = option(
        "dense: from all slots; sparse: from the best k of each head, for thousands of slots and more", "dense"
    )
    k: int = option("events that each head reads, if reads are sparse", 16)
    keep: str = option(
        "what stays when slots are scarce: gate (what the learned gate ranks highest), newest, oldest or random", "gate"
    )


@dataclass
class NTMConfig(PartConfig):
    """The Neural Turing Machine."""

    slots: int = option("slots")
    word_size: int = option("width of a slot")
    read_heads: int = option("read heads")
    write_heads: int = option("write heads")
    shift: int = option("slots that a head may move in one step, to either side")


@dataclass
class DNCConfig(PartConfig):
    """The Differentiable Neural Computer."""

    slots: int = option("slots")
    word_size: int = option("width of a slot")
    read_heads: int = option("read heads")
    links: bool = option("keep temporal links, slots squared in number")
    masked_content: bool = option("let every key mask the parts of a word that it is not compared with")
    deallocate: bool = option("erase the slots that are freed")
    sharpen_links: bool = option("let the links be sharpened")
    normalize_interface: bool = option("layer-normalize the interface vector")


@dataclass
class FastWeightMemoryConfig(PartConfig):
    """The fast-weight memory with the gated delta rule."""

    heads: int = option("matrices of fast weights")
    key_size: int = option("width of a key, per head; as many associations can be kept apart")
    value_size: int = option("width of a value, per head")
    half_life: float = option("steps after which half of what is stored is left, before anything is learned")


@dataclass
class TransformerMemoryConfig(PartConfig):
    """The gated Transformer over the last steps, behind the controller."""

    width: int = option("width of a token and of what is read")
    layers: int = option("layers; each reaches a window further back")
    heads: int = option("attention heads; they divide the width")
    window: int = option("steps before the current one that a layer sees")
    feedforward_size: int = option("units of the hidden layer after each attention")


@dataclass
class ControllerConfig(PartConfig):
    """The controller in front of the memory; one with more keys has a class of its own."""

    hidden_size: int = option("width of the hidden vector")


@dataclass
class TransformerControllerConfig(ControllerConfig):
    """The gated Transformer over the last steps, as a controller."""

    layers: int = option("layers; each reaches a window further back")
    heads: int = option("attention heads; they divide the width")
    window: int = option("steps before the current one that a layer sees")
    feedforward_size: int = option("units of the hidden layer after each attention")


@dataclass
class AutoEncoderConfig(PartConfig):
    """The encoder of observations that is chosen by their space: symbols, images, vectors, or dictionaries of these."""

    name: str = option("name of the class", "auto")
    features_dim: int = option("features of an encoded observation", 64)
    normalize: bool = option("shift and scale vectors by what was seen of them; saved with the agent", False)


CHOICES: dict[str, dict[str, type[PartConfig]]] = {
    "memory": {
        "none": NoMemoryConfig,
        "episodic": EpisodicMemoryConfig,
        "ntm": NTMConfig,
        "dnc": DNCConfig,
        "fast_weight": FastWeightMemoryConfig,
        "transformer": TransformerMemoryConfig,
    },
    "controller": {
        "lstm": ControllerConfig,
        "gru": ControllerConfig,
        "feedforward": ControllerConfig,
        "transformer": TransformerControllerConfig,
    },
    "encoder": {"auto": AutoEncoderConfig},
}
"""The parts of an agent of which each choice has a schema of its own; `add_choice` adds those of the user."""
