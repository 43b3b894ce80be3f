"""What was trained on a range is said where it is tested."""

from engram.evidence.runs.caveats import trained_on_ranges


def test_ranges_of_the_training_are_told():
    assert trained_on_ranges({}) == []
    (line,) = trained_on_ranges({"hops": (1, 3), "cues": (2, 5)})
    assert line == "Trained on episodes with hops from 1 to 3, cues from 2 to 5; validated and tested at the hard end."
