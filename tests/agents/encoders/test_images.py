"""Images of floats are images, however their channels lie."""

import warnings

import numpy as np
import pytest
import torch
from gymnasium import spaces

from engram.agents.encoder import ObservationEncoder
from engram.agents.encoders.images import FloatImageEncoder, is_float_image

FEATURES = 11


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


IMAGE = spaces.Box(0, 255, (17, 23, 3), np.uint8)
LACKING = {
    "bounds": (spaces.Box(-1, 1, (17, 23, 3)), r"from -1 to 1 are flattened: an image of floats is in 0\.\.1"),
    "bounds of bytes": (
        spaces.Box(0, 200, (17, 23, 3), np.uint8),
        r"to 200 are flattened: an image of bytes is in",
    ),
    "pixels": (spaces.Box(0, 1, (5, 7, 3)), "an image of floats has 8 x 8 pixels at least"),
    "channels": (spaces.Box(0, 1, (17, 23)), r"an image has an axis of channels, such as \(17, 23, 1\)"),
    "channels of bytes": (spaces.Box(0, 255, (17, 23), np.uint8), r"an axis of channels, such as \(17, 23, 1\)"),
    "few channels": (spaces.Box(0, 1, (12, 17, 23)), "an image of floats has 1, 3 or 4 channels, as its first"),
    "one image": (spaces.Box(0, 255, (4, 17, 23, 3), np.uint8), "the frames of a stack are channels of one image"),
    "one image of floats": (spaces.Box(0, 1, (4, 17, 23, 3)), "the frames of a stack are channels of one image"),
}


@pytest.mark.parametrize("lack", LACKING)
def test_what_looks_like_an_image_and_is_flattened_is_named(lack):
    space, reason = LACKING[lack]
    with pytest.warns(UserWarning, match=reason) as caught:
        ObservationEncoder(spaces.Dict({"seen": space, "own": IMAGE}), FEATURES)
    assert len(caught) == 1
    assert f"shape {space.shape} from" in str(caught[0].message)


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(0, 1, (17,)),
        spaces.Box(0, 1, (3, 5)),
        spaces.Box(-1, 1, (17, 23)),
        spaces.Box(-1, 1, (5, 7, 3)),
        spaces.Box(0, 255, (128,), np.uint8),
        spaces.Box(0, 9, (17, 23, 2), np.uint8),
        spaces.Box(0, 1, (17, 23), np.int8),
        spaces.Box(0, 1, (17, 23, 3)),
        IMAGE,
    ],
)
def test_what_looks_like_none_or_is_one_is_not(space):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ObservationEncoder(space, FEATURES)
