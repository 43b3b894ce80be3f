"""Plays an exported agent with numpy and onnxruntime alone; see docs/how_to/export.md."""

import json

import numpy as np
import onnxruntime


class OnnxAgent:
    """The agent of an exported file, with the state that it carries."""

    def __init__(self, path):
        self.session = onnxruntime.InferenceSession(path)
        self.about = json.loads(self.session.get_modelmeta().custom_metadata_map["engram"])
        self.outputs = [output.name for output in self.session.get_outputs()]
        # What stands here does not matter: the first step of an episode begins with a state of its own.
        self.state = {name: np.zeros(leaf["shape"], leaf["dtype"]) for name, leaf in self.about["state"].items()}

    def act(self, observations, episode_starts):
        """Return the best actions [B], given observations by the names in `about` and whether episodes start [B]."""
        seen = {name: np.asarray(observations[name], leaf["dtype"]) for name, leaf in self.about["observation"].items()}
        given = {**seen, **self.state, "episode_start": np.asarray(episode_starts, bool)}
        made = dict(zip(self.outputs, self.session.run(None, given), strict=True))
        self.state = {name: made[f"next.{name}"] for name in self.state}
        return made["action"]
