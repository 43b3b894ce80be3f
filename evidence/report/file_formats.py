"""The JSON files of a run and their keys: for `evaluate.py --help`, and as a page of the docs."""

from engram.evidence.horizon.curve import HorizonFile
from engram.evidence.runs.files import CertificateFile, EvaluationFile, LeakageFile, Model, Score, VersionsFile, keys_of

FILES: dict[str, type[Model]] = {
    "evaluation.json": EvaluationFile,
    "certificate.json": CertificateFile,
    "horizon.json": HorizonFile,
    "leakage.json": LeakageFile,
    "versions.json": VersionsFile,
}


def help_text() -> str:
    """Return the keys of `evaluation.json`, and those of a score, as they are shown on a terminal."""
    parts = {"keys of evaluation.json": keys_of(EvaluationFile, known=(Score,)), "keys of a score": keys_of(Score)}
    return "\n".join(f"{title}:\n" + "\n".join(f"  {k:32} {text}" for k, text in keys) for title, keys in parts.items())


def markdown() -> str:
    """Return the page of the docs on the JSON files that a run leaves behind."""
    parts = ["# File formats", "A score, which many keys hold, is described at the end. NAME stands for any name."]
    models: dict[str, type[Model]] = {**FILES, "A score": Score}
    for name, model in models.items():
        parts += [f"## {name}", model.__doc__ or "", "| key | meaning |\n|---|---|"]
        known = () if model is Score else (Score,)
        parts[-1] += "".join(f"\n| `{key}` | {text} |" for key, text in keys_of(model, known=known))
    return "\n\n".join(parts) + "\n"
