import numpy as np
import pytest

from engram.envs.factory import make_env
from engram.envs.play.words import in_numbers, in_words
from engram.envs.tasks.sequences.binding import Binding
from engram.envs.tasks.sequences.chain import Chain
from engram.envs.tasks.sequences.counting import Counting
from engram.envs.tasks.sequences.repeat_previous import RepeatPrevious
from engram.envs.tasks.sequences.reverse_recall import ReverseRecall
from engram.envs.tasks.tmaze.env import TMaze


@pytest.mark.parametrize(
    ("env", "observation", "words"),
    [
        (RepeatPrevious(lag=3, length=7, symbols=5), [0, 2], "symbol 2"),
        (RepeatPrevious(lag=3, length=7, symbols=5), [1, 0], "symbol 0; which symbol was it 3 steps ago?"),
        (RepeatPrevious(lag=3, length=7, symbols=5), [0, 5], "nothing"),
        (ReverseRecall(length=7, symbols=5), [0, 4], "symbol 4"),
        (ReverseRecall(length=7, symbols=5), [1, 5], "which symbol comes next, from the last to the first?"),
        (ReverseRecall(length=7, symbols=5), [0, 5], "nothing"),
        (Binding(cues=2, answers=3, alphabet=11), [0, 10, 2], "cue 10 with answer 2"),
        (Binding(cues=2, answers=3, alphabet=11), [1, 7, 3], "cue 7; which answer belongs to it?"),
        (Binding(cues=2, answers=3, alphabet=11), [0, 11, 3], "nothing"),
        (Binding(cues=2, answers=3, alphabet=11, digits=3), [0, 10, 2, 0, 1], "cue 10 2 0 with answer 1"),
        (Binding(cues=2, answers=3, alphabet=11, digits=3), [0, 11, 11, 11, 3], "nothing"),
        (Chain(hops=2, symbols=3, alphabet=7), [0, 5, 6], "from 5 to 6"),
        (Chain(hops=2, symbols=3, alphabet=7), [0, 5, 9], "from 5 to answer 2"),
        (Chain(hops=2, symbols=3, alphabet=7), [1, 4, 10], "start 4; to which answer does it lead?"),
        (Chain(hops=2, symbols=3, alphabet=7), [0, 10, 10], "nothing"),
        (Counting(symbols=5), [0, 3], "symbol 3"),
        (Counting(symbols=5), [1, 3], "how often was symbol 3 shown?"),
        (Counting(symbols=5), [0, 5], "nothing"),
        (TMaze(), [0, 1, 1, 0], "in the corridor; cue down"),
        (TMaze(), [0, 0, 0, 1], "at the junction"),
        (
            TMaze(distractors=2, noise=1),
            [1, 0, 1, 0, 0, 1, 0.25],
            "in the corridor; cue up; false cue down; noise 0.25",
        ),
    ],
)
def test_words(env, observation, words):
    assert env.observation_space.shape == (len(observation),)
    assert in_words(env, np.array(observation)) == words


@pytest.mark.parametrize("env_id", ["Engram-TMazeActive-v0", "Engram-Binding-v0", "Engram-Chain3-v0"])
def test_wrappers_are_seen_through(env_id):
    env = make_env(env_id, split="test", seed=3)
    observation, _ = env.reset()
    assert in_words(env, observation) == in_words(env.unwrapped, observation)
    assert not in_words(env, observation).startswith("[")


def test_what_no_words_are_known_for_is_numbers():
    env = make_env("Engram-PositionCartPole-v0", seed=3)
    assert in_words(env, np.array([0.12345, -2], dtype=np.float32)) == "[ 0.123 -2.   ]"
    assert in_numbers({"hand": np.array([1, 2]), "turn": 3}) == "hand: [1 2]\nturn: 3"
    assert in_numbers(np.arange(1000)).count("\n") == 0
