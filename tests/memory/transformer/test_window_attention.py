"""Attention over a sliding window: relative positions, and who sees whom."""

import torch
from starts import BATCH, some_starts

from engram.memory.transformer.window_attention import WindowAttention, by_token, same_episode, within_reach

WIDTH, HEADS = 14, 7


def test_by_token_moves_a_distance_to_the_token_so_far_back():
    time, window = 5, 3
    by_distance = torch.arange(1.0, 2 * time * (window + 1) + 1).view(2, time, window + 1)
    moved = by_token(by_distance)
    expected = torch.zeros(2, time, window + time)
    for t in range(time):
        for distance in range(window + 1):
            expected[:, t, window + t - distance] = by_distance[:, t, window - distance]
    assert torch.equal(moved, expected)
    assert torch.equal(moved[0] != 0, within_reach(time, window, moved.device))


def test_the_mask_is_the_definition_read_aloud():
    time, window = 7, 3
    starts = some_starts(time)
    filled = torch.tensor([[False, True, True], [True] * 3, [False] * 3])
    visible = same_episode(filled, starts) & within_reach(time, window, filled.device)
    for row in range(BATCH):
        for t in range(time):
            for token in range(window + time):
                happened = token - window  # before the sequence if negative
                no_start_since = not starts[max(happened + 1, 0) : t + 1, row].any()
                there = happened >= 0 or bool(filled[row, token])
                expected = there and no_start_since and 0 <= t - happened <= window
                assert visible[row, t, token] == expected, (row, t, token)


def test_attention_is_the_formula_of_transformer_xl():
    time, window, position_size = 4, 3, 6
    attention = WindowAttention(WIDTH, HEADS, position_size).double()
    with torch.no_grad():
        attention.content_bias.normal_()
        attention.position_bias.normal_()
    tokens = torch.randn(BATCH, window + time, WIDTH, dtype=torch.float64)
    positions = torch.randn(window + 1, position_size, dtype=torch.float64)  # distances 3, 2, 1, 0
    filled = torch.tensor([[False, True, True], [True] * 3, [False] * 3])
    visible = same_episode(filled, some_starts(time)) & within_reach(time, window, tokens.device)
    attended = attention(tokens, positions, visible)

    size = WIDTH // HEADS
    key_weight, value_weight = attention.key_and_value.weight.chunk(2)
    for row in range(BATCH):
        for t in range(time):
            heads = []
            for head in range(HEADS):
                part = slice(head * size, (head + 1) * size)
                query = attention.query.weight[part] @ tokens[row, window + t]
                logits, values = [], []
                for token in visible[row, t].nonzero().flatten().tolist():
                    distance = window + t - token
                    key = key_weight[part] @ tokens[row, token]
                    relative = attention.from_position.weight[part] @ positions[window - distance]
                    by_content = (query + attention.content_bias[head, 0]) @ key
                    by_position = (query + attention.position_bias[head, 0]) @ relative
                    logits.append((by_content + by_position) / size**0.5)
                    values.append(value_weight[part] @ tokens[row, token])
                heads.append(torch.stack(logits).softmax(0) @ torch.stack(values))
            expected = attention.output.weight @ torch.cat(heads)
            assert torch.allclose(attended[row, t], expected, atol=1e-12)
