"""Images of floats are images, however their channels lie."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from engram.agents.encoder import ObservationEncoder
from engram.agents.encoders.images import FloatImageEncoder, is_float_image

FEATURES = 11


@pytest.mark.filterwarnings("ignore:observations of shape")
@pytest.mark.parametrize(
    ("space", "is_image"),
    [
        (spaces.Box(0, 1, (17, 23, 3)), True),
        (spaces.Box(0, 1, (4, 17, 23)), True),
        (spaces.Box(0, 1, (1, 17, 23), np.float64), True),
        (spaces.Box(0, 2, (17, 23, 3)), False),
        (spaces.Box(-1, 1, (17, 23, 3)), False),
        (spaces.Box(0, 1, (17, 23, 5)), False),
        (spaces.Box(0, 1, (7, 7, 3)), False),
        (spaces.Box(0, 1, (17, 23), np.float32), False),
        (spaces.Box(0, 255, (17, 23, 3), np.uint8), False),
    ],
)
def test_what_is_an_image_of_floats(space, is_image):
    assert is_float_image(space) == is_image
    if is_image:
        encoder = ObservationEncoder(space, FEATURES)
        assert isinstance(encoder.parts[0], FloatImageEncoder)
        assert encoder(torch.rand(2, *space.shape)).shape == (2, FEATURES)


def test_channels_first_or_last_are_the_same_image():
    last = FloatImageEncoder(spaces.Box(0, 1, (17, 23, 3)), FEATURES)
    first = FloatImageEncoder(spaces.Box(0, 1, (3, 17, 23)), FEATURES)
    first.load_state_dict(last.state_dict())
    image = torch.rand(5, 17, 23, 3)
    assert torch.allclose(last(image), first(image.movedim(3, 1)), atol=1e-6)


def test_what_looks_like_an_image_but_for_its_bounds_is_named():
    with pytest.warns(UserWarning, match=r"shape \(17, 23, 3\) from -1 to 1 are flattened: an image of"):
        ObservationEncoder(spaces.Box(-1, 1, (17, 23, 3)), FEATURES)
