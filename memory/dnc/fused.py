"""The DNC's step with its backward pass written out: `memory.dnc.memory.DNC.step` is the definition.

Autograd would record a hundred small operations per step. The parts with formulas of their own are in
`memory.dnc.allocation`, `memory.addressing.content`, `memory.addressing.erase_add` and `memory.dnc.links`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from engram.memory.addressing.content import Found, content_backward, content_forward
from engram.memory.addressing.erase_add import write_backward, write_forward
from engram.memory.dnc.allocation import (
    Allocated,
    allocation_backward,
    allocation_forward,
    free_list,
    usage_backward,
    usage_forward,
)
from engram.memory.dnc.links import Linked, links_backward, links_forward
from engram.memory.feedback.fused_step import FusedOutput, FusedStep, Leaves


class FusedDNC(FusedStep):
    """A DNC with links that are not sharpened or without links, keys without masks, and nothing erased by freeing.

    Args:
        word_size: W.
        read_heads: R.
        links: whether there are temporal links.
    """

    def __init__(self, word_size: int, read_heads: int, links: bool = True) -> None:
        width, reads = word_size, read_heads
        self.width, self.reads, self.has_links = width, reads, links
        # In the order of `memory.dnc.memory.DNC.parse`.
        self.groups = [(reads + 1) * width, width, reads + 1, width + 2 + reads, 3 * reads if links else 0]
        self.gates = [width, 1, 1, reads]

    def forward(self, vector: Tensor, before: Leaves, decision: Tensor | None) -> FusedOutput:
        memory, usage_before, precedence, links, write_before, read_before, _ = before
        keys, write_vector, at_least_one, gates, modes = vector.split(self.groups, dim=1)
        read_keys, write_key = keys.unflatten(1, (-1, self.width)).split([self.reads, 1], dim=1)
        strengths = functional.softplus(at_least_one).add_(1)
        read_strengths, write_strength = strengths.split([self.reads, 1], dim=1)
        gates = gates.sigmoid()
        erase, allocation_gate, write_gate, free_gates = gates.split(self.gates, dim=1)
        modes = modes.unflatten(1, (self.reads, -1)).softmax(2)

        usage, retained, factors = usage_forward(usage_before, write_before, free_gates, read_before)
        order = free_list(usage) if decision is None else decision
        allocated = allocation_forward(usage, order)
        sought = content_forward(memory, write_key, write_strength)
        # w = g_w (g_a a + (1 - g_a) c)
        mixed = torch.lerp(sought.weights.squeeze(1), allocated.weights, allocation_gate)
        write_weights = write_gate * mixed
        now, change = write_forward(memory, write_weights, erase, write_vector)

        found = content_forward(now, read_keys, read_strengths)
        read_weights = found.weights
        kept_by_links: Leaves = ()
        if self.has_links:
            linked = links_forward(links, precedence, write_weights, read_before)
            blank = 1 - write_weights.sum(1, keepdim=True)
            ways = torch.stack([linked.backward, found.weights, linked.forward], dim=3)
            read_weights = (ways * modes.unsqueeze(2)).sum(3)
            kept_by_links = (precedence, links, blank, ways, linked.links)
            precedence, links = torch.addcmul(write_weights, blank, precedence), linked.links
        read = torch.bmm(read_weights, now).flatten(1)

        return FusedOutput(
            (now, usage, precedence, links, write_weights, read_weights, read),
            (
                *(keys, at_least_one, strengths, gates, modes, order, memory, usage_before, write_before, read_before),
                *(retained, factors, mixed, write_weights, change, now, read_weights),
                *(*allocated, *sought, *found, *kept_by_links),
            ),
            order,
        )

    def backward(self, of_after: Leaves, kept: Leaves) -> tuple[Tensor, Leaves]:
        keys, at_least_one, strengths, gates, modes, order, *rest = kept
        memory, usage_before, write_before, read_before, *rest = rest
        retained, factors, mixed, write_weights, change, now, read_weights, *rest = rest
        allocated, sought, found, rest = Allocated(*rest[:4]), Found(*rest[4:9]), Found(*rest[9:14]), rest[14:]
        of_now, of_usage, of_precedence, of_links, of_write, of_weights, of_read = of_after
        read_keys, write_key = keys.unflatten(1, (-1, self.width)).split([self.reads, 1], dim=1)
        read_strengths, write_strength = strengths.split([self.reads, 1], dim=1)
        erase, allocation_gate, write_gate, free_gates = gates.split(self.gates, dim=1)

        # Reading.
        of_read = of_read.unflatten(1, (self.reads, -1))
        of_weights = torch.baddbmm(of_weights, of_read, now.transpose(1, 2))
        of_now = torch.baddbmm(of_now, read_weights.transpose(1, 2), of_read)
        of_found, of_modes, of_read_before = of_weights, modes, torch.zeros_like(read_before)
        if self.has_links:
            precedence, links, blank, ways, links_now = rest
            of_preceded, of_modes = of_precedence, (ways * of_weights.unsqueeze(3)).sum(2)
            of_backward, of_found, of_forward = (modes.transpose(1, 2).unsqueeze(3) * of_weights.unsqueeze(1)).unbind(1)
            of_links, of_precedence, of_write_by_links, of_read_before = links_backward(
                Linked(of_links, of_forward, of_backward), links, precedence, write_weights, read_before, links_now
            )
            of_blank = (of_preceded * precedence).sum(1, keepdim=True)
            of_write = of_write + of_write_by_links + of_preceded - of_blank
            of_precedence.addcmul_(blank, of_preceded)
        of_read_keys, of_read_strengths = content_backward(of_found, now, read_keys, read_strengths, found, of_now)

        # Writing.
        of_memory, of_write_by_word, of_erase, of_vector = write_backward(of_now, memory, write_weights, erase, change)
        of_write = of_write + of_write_by_word
        of_write_gate = (of_write * mixed).sum(1, keepdim=True)
        of_mixed = of_write.mul_(write_gate)
        of_allocation_gate = (of_mixed * (allocated.weights - sought.weights.squeeze(1))).sum(1, keepdim=True)
        of_allocated = of_mixed * allocation_gate
        of_sought = (of_mixed - of_allocated).unsqueeze(1)
        of_write_key, of_write_strength = content_backward(
            of_sought, memory, write_key, write_strength, sought, of_memory
        )
        of_usage = of_usage + allocation_backward(of_allocated, order, allocated)
        of_usage_before, of_free_gates, of_read_by_use = usage_backward(
            of_usage, usage_before, write_before, free_gates, read_before, retained, factors
        )
        of_read_before += of_read_by_use

        # The interface vector, through its bounds.
        of_gates = torch.cat([of_erase, of_allocation_gate, of_write_gate, of_free_gates], dim=1)
        of_interface = torch.cat(
            [
                of_read_keys.flatten(1),
                of_write_key.flatten(1),
                of_vector,
                torch.cat([of_read_strengths, of_write_strength], dim=1) * torch.sigmoid(at_least_one),
                of_gates * (gates * (1 - gates)),
                torch._softmax_backward_data(of_modes, modes, 2, modes.dtype).flatten(1),
            ],
            dim=1,
        )
        nothing = torch.zeros_like(write_before)  # no gradient passes through the write weights into the usage
        return of_interface, (of_memory, of_usage_before, of_precedence, of_links, nothing, of_read_before)
