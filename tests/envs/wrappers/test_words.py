"""Texts as numbers of their words."""

import warnings

import numpy as np
import pytest
from gymnasium import spaces

from engram.envs.wrappers import words
from engram.envs.wrappers.words import NUMBERS, VOCABULARY, Words, number_of, words_of


def test_every_word_of_the_vocabulary_has_its_own_number():
    assert len(set(VOCABULARY)) == len(VOCABULARY)
    assert [number_of(word) for word in VOCABULARY] == list(range(1, len(VOCABULARY) + 1))


def test_other_words_have_numbers_behind_them_the_same_in_every_process():
    numbers = [number_of(word) for word in ("defuse", "bomb", "Ärger", "7")]
    assert numbers == [832, 807, 251, 586]
    assert all(len(VOCABULARY) < number < NUMBERS for number in numbers)


def test_marks_are_words_and_letters_are_small():
    assert words_of("Put it down, then GO!") == ["put", "it", "down", ",", "then", "go", "!"]
    assert words_of("") == []


def test_a_text_is_filled_up_and_cut_with_one_warning():
    space = Words(5)
    numbers = space.numbers_of("go to the red door")
    assert space.contains(numbers)
    assert numbers.tolist() == [number_of(word) for word in ("go", "to", "the", "red", "door")]
    assert space.numbers_of("go").tolist() == [number_of("go"), 0, 0, 0, 0]
    for name in ("the part 'order'", "the part 'wish'"):
        with pytest.warns(UserWarning, match=f"^{name} has 6 words, of which only the first 5 are seen: 'go to"):
            assert space.numbers_of("go to the red door now", name).tolist() == numbers.tolist()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            Words(3).numbers_of("go to the red door now", name)


def test_numbers_become_words_again_as_far_as_they_are_known():
    space = Words(5)
    assert space.text_of(space.numbers_of("Go to the Wombat!")) == "go to the wombat !"
    unknown = next(number for number in range(len(VOCABULARY) + 1, NUMBERS) if number not in words._word_of)
    assert space.text_of(np.array([1, unknown, 0, 0, 0])) == "red …"


def test_spaces_are_equal_if_they_promise_the_same():
    assert Words(5) == Words(5)
    assert Words(5) != Words(6)
    assert Words(5) != Words(5, constant_over_episode=True)
    assert Words(3) != spaces.MultiDiscrete([NUMBERS] * 3, dtype=np.int16)
