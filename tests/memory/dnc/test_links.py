import torch

from engram.memory.dnc.links import (
    Linked,
    links_backward,
    links_forward,
    update_and_follow_links,
    update_precedence,
)

BATCH, SLOTS, HEADS = 3, 7, 2


def written(*slots):
    """The links and the precedence after writing to one slot after the other."""
    links, precedence = torch.zeros(1, SLOTS, SLOTS), torch.zeros(1, SLOTS)
    for slot in slots:
        weights = torch.nn.functional.one_hot(torch.tensor([slot]), SLOTS).float()
        links = update_and_follow_links(links, precedence, weights, torch.zeros(1, HEADS, SLOTS)).links
        precedence = update_precedence(precedence, weights)
    return links, precedence


def random_history(steps=11):
    """Links, precedence, write and read weights that soft writes have left behind."""
    torch.manual_seed(5)
    links = torch.zeros(BATCH, SLOTS, SLOTS, dtype=torch.float64)
    precedence = torch.zeros(BATCH, SLOTS, dtype=torch.float64)
    for _ in range(steps):
        weights = torch.rand(BATCH, 1, dtype=torch.float64) * torch.randn(BATCH, SLOTS, dtype=torch.float64).softmax(1)
        links = update_and_follow_links(
            links, precedence, weights, torch.zeros(BATCH, HEADS, SLOTS, dtype=torch.float64)
        ).links
        precedence = update_precedence(precedence, weights)
    return links, precedence, weights, torch.randn(BATCH, HEADS, SLOTS, dtype=torch.float64).softmax(2)


def test_links_lead_from_write_to_write_and_back():
    links, precedence = written(4, 1, 6)
    at_one = torch.zeros(1, HEADS, SLOTS)
    at_one[..., 1] = 1.0
    nothing = torch.zeros(1, SLOTS)
    linked = update_and_follow_links(links, precedence, nothing, at_one)
    assert linked.forward[0, 0].argmax() == 6
    assert linked.backward[0, 0].argmax() == 4
    assert precedence[0].tolist() == [0, 0, 0, 0, 0, 0, 1]


def test_writing_a_slot_again_cuts_its_old_links():
    links, _ = written(4, 1, 6, 4)
    assert links[0, 4, 6] == 1  # 4 now comes after 6
    assert links[0, 1, 4] == 0
    assert links[0, 6, 1] == 1


def test_links_stay_in_range_with_a_zero_diagonal_and_rows_and_columns_of_at_most_one():
    links, precedence, weights, reads = random_history(97)
    linked = update_and_follow_links(links, precedence, weights, reads)
    assert (linked.links >= 0).all()
    assert (linked.links <= 1).all()
    assert linked.links.diagonal(dim1=1, dim2=2).abs().max() == 0
    for axis in (1, 2):
        assert (linked.links.sum(axis) <= 1 + 1e-9).all()
    assert (update_precedence(precedence, weights).sum(1) <= 1 + 1e-9).all()
    for where in (linked.forward, linked.backward):
        assert (where >= 0).all()
        assert (where.sum(2) <= 1 + 1e-9).all()


def test_the_fast_path_equals_the_definition_forward_and_backward():
    given = [tensor.requires_grad_() for tensor in random_history()]
    naive = update_and_follow_links(*given)
    mixing = Linked(*(torch.randn_like(result) for result in naive))
    expected = torch.autograd.grad(sum((one * other).sum() for one, other in zip(naive, mixing, strict=True)), given)
    given = [tensor.detach() for tensor in given]
    fused = links_forward(*given)
    gradients = links_backward(mixing, *given, fused.links)
    for one, other in zip((*fused, *gradients), (*naive, *expected), strict=True):
        assert torch.allclose(one, other, atol=1e-14)
