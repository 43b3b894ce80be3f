"""The tasks against plain Python loops over rows and steps, and what they promise of every sequence."""

import pytest
import torch
from torch import Generator

from benchmarks.algorithmic.tasks import TASKS, copy, copy_stream, priority_sort, repeat_copy, span_text

SEEDS = range(8)
BATCH, BITS = 5, 7  # coprime to each other and to the lengths below
SETTINGS = {
    "copy": {"lengths": (1, 11), "bits": BITS},
    "repeat_copy": {"lengths": (1, 4), "repeats": (1, 3), "bits": BITS},
    "associative_recall": {"lengths": (2, 6), "words": 3, "bits": BITS},
    "priority_sort": {"lengths": (1, 13), "bits": BITS},
    "copy_stream": {"lengths": (2, 4), "words": (1, 3), "bits": BITS},
}


def drawn(name, seed, **changed):
    return TASKS[name].draw(Generator().manual_seed(seed), BATCH, **{**SETTINGS[name], **changed})


def rows(sequences):
    """Every row as lists of steps: inputs and targets, and the steps that are scored."""
    for row in range(BATCH):
        yield (
            sequences.inputs[:, row].tolist(),
            sequences.targets[:, row].tolist(),
            [step for step, scored in enumerate(sequences.mask[:, row].tolist()) if scored],
        )


def until(inputs, begin, channel):
    """The bits of the steps from `begin` to a mark on that channel, and the step of the mark."""
    step = begin
    while inputs[step][channel] != 1:
        step += 1
    return [now[:BITS] for now in inputs[begin:step]], step


@pytest.mark.parametrize("seed", SEEDS)
def test_copy_answers_the_words_after_the_delimiter(seed):
    for inputs, targets, scored in rows(drawn("copy", seed)):
        words, mark = until(inputs, 0, BITS)
        assert scored == list(range(mark + 1, len(inputs)))
        assert [targets[step] for step in scored] == words


@pytest.mark.parametrize("seed", SEEDS)
def test_repeat_copy_answers_the_words_so_often_and_ends(seed):
    for inputs, targets, scored in rows(drawn("repeat_copy", seed, scale=(1, 3))):
        words, mark = until(inputs, 0, BITS)
        # The mean of 1, 2, 3 is 2 and their variance 2/3.
        count = round(inputs[mark][BITS + 1] * (2 / 3) ** 0.5 + 2)
        assert scored == list(range(mark + 1, len(inputs)))
        expected = [[*word, 0] for _ in range(count) for word in words] + [[0] * BITS + [1]]
        assert [targets[step] for step in scored] == expected


def test_the_number_of_repeats_is_normalized_over_the_training_and_may_lie_beyond():
    shown = [
        float(repeat_copy(Generator(), 1, 2, repeats, scale=(1, 10), bits=BITS).inputs[2, 0, BITS + 1])
        for repeats in range(1, 11)
    ]
    assert sum(shown) / 10 == pytest.approx(0, abs=1e-6)
    assert sum(value**2 for value in shown) / 10 == pytest.approx(1)
    beyond = float(repeat_copy(Generator(), 1, 2, 20, scale=(1, 10), bits=BITS).inputs[2, 0, BITS + 1])
    assert beyond == pytest.approx((20 - 5.5) / 8.25**0.5)


@pytest.mark.parametrize("seed", SEEDS)
def test_associative_recall_answers_the_item_after_the_one_that_is_shown_again(seed):
    asked_for = set()
    for inputs, targets, scored in rows(drawn("associative_recall", seed, lengths=(4, 6))):
        items, step = [], 0
        while inputs[step][BITS + 1] != 1:
            assert inputs[step] == [0] * BITS + [1, 0]
            items.append([now[:BITS] for now in inputs[step + 1 : step + 4]])
            step += 4
        query, end = until(inputs, step + 1, BITS + 1)
        place = items.index(query)
        asked_for.add(place)
        assert scored == list(range(end + 1, len(inputs)))
        assert [targets[step] for step in scored] == items[place + 1]
    assert len(asked_for) > 1


@pytest.mark.parametrize("seed", SEEDS)
def test_priority_sort_answers_the_words_of_highest_priority_in_order(seed):
    for inputs, targets, scored in rows(drawn("priority_sort", seed)):
        words, mark = until(inputs, 0, BITS)
        priorities = [now[BITS + 1] for now in inputs[:mark]]
        assert all(-1 <= priority < 1 for priority in priorities)
        order = sorted(range(mark), key=lambda index: -priorities[index])
        count = max(1, 4 * mark // 5)
        assert scored == list(range(mark + 1, mark + 1 + count)) == list(range(mark + 1, len(inputs)))
        assert [targets[step] for step in scored] == [words[index] for index in order[:count]]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_copy_stream_answers_each_problem_before_the_next(seed):
    for inputs, targets, scored in rows(drawn("copy_stream", seed)):
        expected, step = {}, 0
        while step < len(inputs):
            assert inputs[step] == [0] * BITS + [1, 0]
            words, mark = until(inputs, step + 1, BITS + 1)
            expected.update({mark + 1 + place: word for place, word in enumerate(words)})
            step = mark + 1 + len(words)
        assert step == len(inputs)
        assert {step: targets[step] for step in scored} == expected


def test_the_papers_sizes_are_the_defaults():
    assert [span_text(TASKS[name].lengths) for name in TASKS] == ["1-20", "1-10", "2-6", "20", "10"]
    assert copy(Generator(), 2, 20).inputs.shape == (41, 2, 9)
    sort = priority_sort(Generator(), 3)
    assert (sort.inputs.shape, sort.targets.shape) == ((37, 3, 10), (37, 3, 8))
    assert sort.mask.sum(0).tolist() == [16, 16, 16]
    assert TASKS["associative_recall"].draw(Generator(), 3, 6).inputs.shape == (6 * 4 + 5 + 3, 3, 8)
    assert copy_stream(Generator(), 3).mask.sum(0).tolist() == [50, 50, 50]


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_shown_while_an_answer_is_due_and_nothing_is_asked_elsewhere(name, seed):
    sequences = drawn(name, seed)
    assert not sequences.inputs[sequences.mask].any()
    assert not sequences.targets[~sequences.mask].any()
    assert set(sequences.targets.unique().tolist()) <= {0, 1}
    assert sequences.mask.any(0).all()
    assert sequences.inputs.shape[:2] == sequences.targets.shape[:2] == sequences.mask.shape
    assert sequences.inputs.dtype == sequences.targets.dtype == torch.float32
    assert sequences.mask.dtype == torch.bool


@pytest.mark.parametrize("name", TASKS)
def test_the_rows_and_batches_differ_and_a_seed_repeats_them(name):
    generator = Generator().manual_seed(3)
    settings = {**SETTINGS[name], "lengths": 4}
    first, second = (TASKS[name].draw(generator, BATCH, **settings) for _ in range(2))
    again = TASKS[name].draw(Generator().manual_seed(3), BATCH, **settings)
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    assert first.inputs.shape != second.inputs.shape or not torch.equal(first.inputs, second.inputs)
    assert not torch.equal(first.inputs[:, 0], first.inputs[:, 1])


@pytest.mark.parametrize("name", TASKS)
def test_every_length_of_the_span_is_drawn_and_no_other(name):
    generator = Generator().manual_seed(0)
    settings = {**SETTINGS[name], **({"words": 1} if name == "copy_stream" else {}), "lengths": (2, 4)}
    if name == "repeat_copy":
        settings["repeats"] = 1
    seen = {len(TASKS[name].draw(generator, 1, **settings).mask) for _ in range(60)}
    alone = {len(TASKS[name].draw(generator, 1, **{**settings, "lengths": length}).mask) for length in (2, 3, 4)}
    assert seen == alone
    assert len(alone) == 3


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("copy", {"lengths": 0}),
        ("copy", {"lengths": (3, 2)}),
        ("copy", {"bits": 0}),
        ("copy", {"bits": 2.5}),
        ("repeat_copy", {"repeats": "1-3"}),
        ("repeat_copy", {"scale": (0, 3)}),
        ("associative_recall", {"lengths": (1, 3)}),
        ("associative_recall", {"words": 0}),
        ("priority_sort", {"lengths": (1, 2, 3)}),
        ("copy_stream", {"words": True}),
    ],
)
def test_a_size_that_does_not_fit_is_named(name, changed):
    with pytest.raises(ValueError, match=next(iter(changed))):
        drawn(name, 0, **changed)
