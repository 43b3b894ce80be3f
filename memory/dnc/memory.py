"""The Differentiable Neural Computer (Graves et al. 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from engram.memory.addressing.content import content_weights, masked_content_weights
from engram.memory.arguments import check_bool, check_int
from engram.memory.dnc.allocation import EPSILON, allocation, free_list, retention, update_usage
from engram.memory.dnc.links import update_and_follow_links, update_precedence
from engram.memory.dnc.native import NativeDNC
from engram.memory.feedback.feedback_memory import BESIDE_THE_STEP, FeedbackMemory, MemoryStep
from engram.memory.feedback.fused_step import Leaves
from engram.memory.interface import Encode, SlotAccess, StepSequence
from engram.memory.paths import why_naive
from engram.memory.precision import in_full_precision
from engram.memory.state import State


class DNCState(NamedTuple):
    """Content of the memory and all that addressing goes by."""

    memory: Tensor  # [B, N, W]
    usage: Tensor  # [B, N]
    precedence: Tensor  # [B, N]
    links: Tensor  # [B, N, N], or [B, 0, 0] without links
    write_weights: Tensor  # [B, N]
    read_weights: Tensor  # [B, R, N]
    read: Tensor  # [B, R * W]


class Interface(NamedTuple):
    """The parsed interface vector (the paper's ξ), each part within its bounds; W of the word, R read heads."""

    read_keys: Tensor  # [B, R, W]
    write_key: Tensor  # [B, 1, W]
    write_vector: Tensor  # [B, 1, W]
    read_strengths: Tensor  # [B, R] at least 1
    write_strength: Tensor  # [B, 1] at least 1
    sharpness: Tensor  # [B, 2R] at least 1, of the forward and backward links; [B, 0] without
    erase: Tensor  # [B, W] in 0..1
    allocation_gate: Tensor  # [B, 1] in 0..1
    write_gate: Tensor  # [B, 1] in 0..1
    free_gates: Tensor  # [B, R] in 0..1
    read_masks: Tensor  # [B, R, W] in 0..1; [B, R, 0] without
    write_mask: Tensor  # [B, 1, W] in 0..1; [B, 1, 0] without
    modes: Tensor  # [B, R, 3] backward, content, forward; on the simplex; [B, R, 0] without links


class DNC(FeedbackMemory[DNCState]):
    """Slots written by content or into free space, and read by content or in the order of writing.

    Within a step it writes, then reads, as in the paper. The order in which slots are free is a discrete choice: it is
    recorded while acting and replayed in learning. `docs/how_it_works/ntm_and_dnc.md` lists the options.

    Args:
        encode, event, encoded_size, hidden_size: see `Memory`; only the hidden vector is used.
        slots: N.
        word_size: W.
        read_heads: R.
        links: whether to keep temporal links (N² numbers); without, all reading is by content.
        masked_content: give every key a mask over the parts of the word (Csordás & Schmidhuber 2019).
        deallocate: erase what is freed, which otherwise misleads the look-up by content (the same).
        sharpen_links: sharpen the links, which blur over many writes (the same).
        normalize_interface: layer-normalize the interface vector (Franke et al. 2018).

    Raises:
        ValueError: if a size is not positive, a switch is neither True nor False, or `sharpen_links` is asked for
            without links.
    """

    reads_before_writing = False

    def __init__(
        self,
        encode: Encode,
        event: State,
        encoded_size: int,
        hidden_size: int,
        slots: int = 32,
        word_size: int = 32,
        read_heads: int = 4,
        links: bool = True,
        masked_content: bool = False,
        deallocate: bool = False,
        sharpen_links: bool = False,
        normalize_interface: bool = False,
    ) -> None:
        super().__init__(encode, event, encoded_size, hidden_size)
        self.slots = check_int("slots", slots)
        self.word_size = check_int("word_size", word_size)
        self.read_heads = check_int("read_heads", read_heads)
        self.has_links, self.deallocate = check_bool("links", links), check_bool("deallocate", deallocate)
        masked_content = check_bool("masked_content", masked_content)
        sharpen_links = check_bool("sharpen_links", sharpen_links)
        if sharpen_links and not links:
            raise ValueError("sharpen_links=True needs links=True")
        self.decision_type = torch.int16 if self.slots <= torch.iinfo(torch.int16).max else torch.int32
        self.read_size = self.feedback_size = read_heads * word_size

        reads, width, masked = self.read_heads, self.word_size, self.word_size if masked_content else 0
        # Parts that are bounded alike lie side by side.
        self.vectors = [reads * width, width, width]
        self.at_least_one = [reads, 1, 2 * reads if sharpen_links else 0]
        self.gates = [width, 1, 1, reads, reads * masked, masked]
        self.groups = [sum(self.vectors), sum(self.at_least_one), sum(self.gates), 3 * reads if links else 0]
        size = sum(self.groups)
        # One product for everything.
        self.from_hidden = nn.Linear(hidden_size, size)
        self.normalize = nn.LayerNorm(size) if check_bool("normalize_interface", normalize_interface) else nn.Identity()
        nn.init.orthogonal_(self.from_hidden.weight)
        nn.init.zeros_(self.from_hidden.bias)
        options = {
            "masked_content": masked_content,
            "deallocate": deallocate,
            "sharpen_links": sharpen_links,
            "normalize_interface": normalize_interface,
        }
        chosen = ", ".join(name for name, is_on in options.items() if is_on)
        self.why_not_fused = why_naive(type(self), DNC, BESIDE_THE_STEP)
        if chosen:
            self.why_not_fused = f"no fused step with {chosen}"
        if not self.why_not_fused:
            self.fused = NativeDNC(width, reads, links)

    def initial_state(self, batch_size: int) -> DNCState:
        def zeros(*shape: int) -> Tensor:
            return self.from_hidden.weight.new_zeros(batch_size, *shape)

        linked = self.slots if self.has_links else 0
        return DNCState(
            zeros(self.slots, self.word_size),
            zeros(self.slots),
            zeros(self.slots),
            zeros(linked, linked),
            zeros(self.slots),
            zeros(self.read_heads, self.slots),
            zeros(self.read_size),
        )

    def interface_vector(self, hidden: Tensor) -> Tensor:
        normalized: Tensor = self.normalize(super().interface_vector(hidden))
        return normalized

    def parse(self, vector: Tensor) -> Interface:
        """Split an interface vector [B, S] and bound its parts to the paper's ranges."""
        vectors, at_least_one, gates, modes = vector.split(self.groups, dim=1)
        read_keys, write_key, write_vector = vectors.split(self.vectors, dim=1)
        # By `split`, here as everywhere: the gradient of a slice is full of zeros that have to be added up.
        strengths = 1 + functional.softplus(at_least_one)
        read_strengths, write_strength, sharpness = strengths.split(self.at_least_one, dim=1)
        erase, allocate, write, free, read_masks, write_mask = torch.sigmoid(gates).split(self.gates, dim=1)

        def by_head(part: Tensor) -> Tensor:
            heads: Tensor = part.unflatten(1, (self.read_heads, -1))
            return heads

        return Interface(
            by_head(read_keys),
            write_key.unsqueeze(1),
            write_vector.unsqueeze(1),
            read_strengths,
            write_strength,
            sharpness,
            erase,
            allocate,
            write,
            free,
            by_head(read_masks),
            write_mask.unsqueeze(1),
            by_head(modes).softmax(2),
        )

    @in_full_precision
    def step(self, hidden: Tensor, encoded: Tensor, state: DNCState, decision: Tensor | None = None) -> MemoryStep:
        vector = self.interface_vector(hidden)
        parsed = self.parse(vector)
        retained = retention(parsed.free_gates, state.read_weights)
        usage = update_usage(state.usage, state.write_weights, retained)
        order = free_list(usage) if decision is None else decision
        content = state.memory * retained.unsqueeze(2) if self.deallocate else state.memory
        found = look_up(content, parsed.write_key, parsed.write_strength, parsed.write_mask).squeeze(1)
        # w = g_w (g_a a + (1 - g_a) c)
        write_weights = parsed.write_gate * torch.lerp(found, allocation(usage, order), parsed.allocation_gate)
        # M = M ∘ (E - w eᵀ) + w vᵀ
        change = parsed.write_vector - parsed.erase.unsqueeze(1) * content
        memory = torch.addcmul(content, write_weights.unsqueeze(2), change)

        read_weights = look_up(memory, parsed.read_keys, parsed.read_strengths, parsed.read_masks)
        precedence, links = state.precedence, state.links
        if self.has_links:
            links, forward, backward = update_and_follow_links(links, precedence, write_weights, state.read_weights)
            precedence = update_precedence(precedence, write_weights)
            if parsed.sharpness.shape[1]:
                sharper = sharpen_link_weights(torch.cat([forward, backward], dim=1), parsed.sharpness)
                forward, backward = sharper.chunk(2, dim=1)
            ways = torch.stack([backward, read_weights, forward], dim=3)
            read_weights = (ways * parsed.modes.unsqueeze(2)).sum(3)
        read = (read_weights @ memory).flatten(1)
        after = DNCState(memory, usage, precedence, links, write_weights, read_weights, read)
        return MemoryStep(after, self.watched_after(vector, after), order)

    def unwritten(self, before: DNCState, after: DNCState) -> DNCState:
        return before._replace(read_weights=after.read_weights, read=after.read)

    @torch.no_grad()
    def access(self, steps: StepSequence, state: DNCState, decisions: State | None = None) -> SlotAccess:
        hidden, replayed = steps.hidden[0], self.replay(decisions)
        after: DNCState = self.step(hidden, steps.encoded[0], state, None if replayed is None else replayed[0]).state
        parsed = self.parse(self.interface_vector(hidden))
        kept = 1 - after.write_weights.unsqueeze(2) * parsed.erase.unsqueeze(1)
        if self.deallocate:
            kept = kept * retention(parsed.free_gates, state.read_weights).unsqueeze(2)
        return SlotAccess(after.read_weights, after.write_weights, kept, parsed.write_gate.squeeze(1))

    def watched(self, vectors: Tensor, passed: Sequence[Leaves]) -> dict[str, Tensor]:
        first = sum(self.groups[:2]) + self.word_size
        gates = torch.sigmoid(vectors[..., first : first + 2 + self.read_heads])
        return {
            "allocation_gate": gates[..., 0],
            "write_gate": gates[..., 1],
            "free_gate": gates[..., 2:].mean(-1),
            "usage": torch.stack([DNCState(*leaves).usage for leaves in passed]).mean(-1),
        }


def look_up(memory: Tensor, keys: Tensor, strengths: Tensor, masks: Tensor) -> Tensor:
    """Find slots [B, H, N] by content, with a mask [B, H, W] over the word or without one ([B, H, 0])."""
    if masks.shape[2]:
        return masked_content_weights(memory, keys, strengths, masks)
    return content_weights(memory, keys, strengths)


def sharpen_link_weights(weights: Tensor, exponents: Tensor) -> Tensor:
    """Return weights to a power, rescaled to the sum that they had (after Csordás & Schmidhuber 2019, eq. 6).

    The paper rescales to a sum of 1; links that lead nowhere would so become a distribution made of noise.

    Args:
        weights: [B, H, N] with a sum of at most 1.
        exponents: [B, H], at least 1.

    Returns:
        [B, H, N].
    """
    return ((weights + EPSILON).log() * exponents.unsqueeze(2)).softmax(2) * weights.sum(2, keepdim=True)
