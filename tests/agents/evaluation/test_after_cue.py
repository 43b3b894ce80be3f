"""What is done to a memory once in an episode, when the cue is out of sight: exactly then, and exactly that."""

import pytest
from cued import equal, leaves_cue, play, scripted, stored
from staggered import ROWS


def test_it_is_wiped_once_at_the_first_step_that_does_not_see_the_cue_any_more():
    watched, _ = play("wiped_after_cue")
    for row in range(ROWS):
        steps = list(watched.of(row))
        wiped = []
        for episode, time, own, acted, kept in steps:
            if not equal(own, acted):
                wiped.append((episode, time))
                assert own.filled.sum() > 0
                assert acted.filled.sum() == 0
                assert stored(kept) == [[row, episode, time, 0]]  # what comes then is stored
        assert wiped == leaves_cue(row, len(steps))
        assert len(wiped) >= 2
        assert [(episode, time) for episode, time, *_ in steps] == [step[:2] for step in scripted(row, len(steps))]


@pytest.mark.parametrize("controller", ["feedforward", "lstm"])
def test_nothing_is_stored_any_more_once_the_cue_is_gone(controller):
    watched, _ = play("frozen_after_cue", controller=controller)
    for row in range(ROWS):
        steps, frozen = list(watched.of(row)), None
        gone = dict(leaves_cue(row, len(steps)))
        for episode, time, own, acted, kept in steps:
            frozen = min(time + 1, gone.get(episode, 99))
            assert [seen[1:3] for seen in stored(kept)] == [[episode, t] for t in range(frozen)]
            assert kept.step == time + 1  # time goes on
            assert equal(own, acted)


def test_a_swapped_memory_is_that_of_another_episode_where_it_left_its_cue():
    donors = set()
    for seed in range(4):
        watched, _ = play("swapped_after_cue", seed=seed)
        left, received = {}, {row: [] for row in range(ROWS)}
        rows = [list(watched.of(row)) for row in range(ROWS)]
        leaving = [leaves_cue(row, len(rows[row])) for row in range(ROWS)]
        for now in range(len(rows[0])):
            here = [steps[now] for steps in rows]
            for row, (episode, time, own, _, _) in enumerate(here):
                if (episode, time) in leaving[row]:
                    left[row] = own  # what it had stored itself when it left its cue
            for row, (episode, time, own, acted, _) in enumerate(here):
                if equal(own, acted):
                    continue
                (donor,) = {seen[0] for seen in stored(acted)}
                assert donor != row
                assert equal(acted, left[donor])
                assert time >= dict(leaving[row])[episode]
                received[row].append((episode, time))
                donors.add((row, donor))
        for row in range(ROWS):
            assert len({episode for episode, _ in received[row]}) == len(received[row])  # once in an episode
    assert donors == {(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)}


def test_the_first_one_waits_for_another_and_one_whose_episode_ends_waits_no_longer():
    scripts = (("1000", "000000"), ("0000010000",))  # row 0 leaves its cue at step 1, row 1 at step 6
    watched, _ = play("swapped_after_cue", scripts, n_episodes=2)
    swapped = [(row, *step[:2]) for row in (0, 1) for step in watched.of(row) if not equal(step[2], step[3])]
    assert swapped == [(1, 0, 6)]  # from row 0, whose first episode is over

    scripts = (("1000000000",), ("0000010000",))
    watched, _ = play("swapped_after_cue", scripts, n_episodes=2)
    swapped = [(row, *step[:2]) for row in (0, 1) for step in watched.of(row) if not equal(step[2], step[3])]
    assert swapped == [(0, 0, 6), (1, 0, 6)]
    (given,) = [step[3] for step in watched.of(0) if step[1] == 6]
    assert stored(given) == [[1, 0, time, int(time == 5)] for time in range(6)]
