"""What the doctor says, on the page Train: of a training that is about to begin, and of a run by what it recorded."""

from __future__ import annotations

from typing import Any

from hubel.studio.asking import Asked, Route
from hubel.studio.jobs import spoken
from hubel.studio.train import settings_of
from hubel.verbs.doctor import CheckUp, check

SECONDS = 20.0
"""That a check-up before a training takes at most, about."""


def of_run(asked: Asked) -> dict[str, Any]:
    """The findings of a run."""
    folder = asked.studio.places.run(asked.word("run"))
    return _told(check(str(folder), verbose=False), ["doctor", asked.studio.places.spoken(folder)])


def beforehand(asked: Asked) -> dict[str, Any]:
    """The findings of a check-up with the settings that a page says; nothing is trained, nothing is kept."""
    source, settings, words = settings_of(asked.studio, asked.said)
    with asked.studio.computing:
        found = check(source, seconds=SECONDS, verbose=False, **settings)
    return _told(found, ["doctor", *words[1:]])


def _told(found: CheckUp, words: list[str]) -> dict[str, Any]:
    return {**found.to_dict(), "sentence": found.sentence, "command": spoken(words)}


ROUTES = [Route("run", of_run), Route("before", beforehand, "POST")]
