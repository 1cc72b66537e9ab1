"""A trained net as its user holds it: what the checkpoint says of it, and what can be asked of it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from html import escape
from os import PathLike
from typing import Any, cast

import numpy as np

from hubel import checkpoint
from hubel.records import nets
from hubel.report.pages.explanation import Explained
from hubel.verbs.explain import explain
from hubel.verbs.predict import Answers, Predictions, predict, predict_proba
from hubel.words import plural

__all__ = ["Classifier", "load"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Classifier(checkpoint.Classifier):
    """A trained net with all that is needed to use it; `hubel.load` gives one."""

    def predict(self, pictures: Any, **settings: Any) -> Predictions | Answers:
        """Ask it about pictures (`hubel.predict` says what may be one, and has the settings)."""
        return cast("Predictions | Answers", predict(self, pictures, **settings))

    def predict_proba(self, pictures: Any, **settings: Any) -> np.ndarray:
        """Probabilities N K, a row a picture, in the order of `class_names`."""
        return predict_proba(self, pictures, **settings)

    def explain(self, picture: Any, **settings: Any) -> Explained:
        """Why does it say what it says about this picture? (`hubel.explain` has the settings.)"""
        return explain(self, picture, **settings)

    def _facts(self) -> dict[str, str]:
        """What it is, line by line."""
        spec, names = self.spec, self.class_names
        shown = ", ".join(names[:8]) + (f", … ({len(names)})" if len(names) > 8 else "")
        seen = self.preprocessing
        size = plural(spec.in_chans, "value") if seen is None else f"{seen.width}x{seen.height}"
        colour = "" if seen is None else ", colour" if seen.channels == 3 else ", grey"
        return {
            "net": f"{spec.architecture}, {sum(p.numel() for p in self.model.parameters()):,} parameters",
            "answers": shown or "a number",
            "input": size + colour,
            "from": self.provenance.source,
        }

    def __str__(self) -> str:
        return "\n".join(f"{key:<9}{value}" for key, value in self._facts().items())

    def __repr__(self) -> str:
        classes = plural(len(self.class_names), "class")
        return f"<Classifier {self.spec.architecture}, {classes}, from {self.provenance.source}>"

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in self._facts().items())
        return f"<table>{rows}</table>"


def load(run: str | PathLike[str], *, which: str = "best") -> Classifier:
    """The classifier of a run, or of a weights folder; every file is checked before it is believed.

    Raises ArtefactError for what is missing, damaged or foreign, or a net of one's own that is not registered.
    """
    found = nets.load(run, which=which)
    return Classifier(**{field.name: getattr(found, field.name) for field in fields(found)})
