"""The page Train: the recipe as a form, what would be chosen and why, and trainings that are watched and steered."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hubel.anatomy.summary import summarise
from hubel.checkpoint.sizing import sized
from hubel.errors import ArtefactError, HubelError, UsageError
from hubel.models import list_models
from hubel.recipes.form import Field, fields
from hubel.recipes.schema import compose, flatten, parse_value
from hubel.records.control import COMMANDS
from hubel.records.ledger import RunRecord
from hubel.store import RunStore
from hubel.studio.asking import Asked, Route
from hubel.studio.jobs import Job, spoken
from hubel.studio.state import Studio
from hubel.verbs.control import control
from hubel.verbs.train import described, foresee

OURS = ("data", "out", "name", "method", "probe_data", "target_decay")
"""Settings that the page says itself, or that belong to learning without labels."""
FOLDERS = ("data_dir", "data_root", "images")
NETS = ("model", "from_", "teacher")
"""Settings that may be a path of a net."""
PATIENCE = 8.0
"""Seconds that are waited until a training has obeyed."""


def form(asked: Asked) -> dict[str, Any]:
    """All settings, as a page shows them, and the nets that there are."""
    shown = [asdict(field) for field in fields() if field.name not in OURS]
    return {"fields": shown, "models": list_models(), "runs": _names(asked.studio)}


def settings_of(studio: Studio, said: Mapping[str, Any]) -> tuple[str, dict[str, Any], list[str]]:
    """(the data, settings, words of the command) of what a page says; raises UsageError for what cannot be."""
    source = studio.places.source(str(said.get("data", "")))
    given = said.get("settings", {})
    if not isinstance(given, dict):
        raise UsageError("settings must be an object")
    known = {field.name: field for field in fields() if field.name not in OURS}
    settings: dict[str, Any] = {}
    words = ["train", source]
    for name, value in given.items():
        if name not in known:
            raise UsageError(f"a recipe has no setting {str(name)[:60]!r} that the page may say")
        if value in ("", None):
            continue
        settings[name], more = _setting(studio, known[name], value)
        words += more
    compose({"data": source, **settings})  # what cannot be is said before anything is read
    if studio.places.spoken(studio.places.runs) != "runs":
        words += ["--out", str(studio.places.runs)]
    return source, settings, words


def _setting(studio: Studio, field: Field, value: Any) -> tuple[Any, list[str]]:
    if field.kind == "yes or no":
        if not isinstance(value, bool):
            raise UsageError(f"{field.name} must be true or false, got {str(value)[:40]!r}")
        return value, [field.flag if value else field.flag.replace("--", "--no-", 1)]
    text = str(value)
    if field.name in FOLDERS:
        text = str(studio.places.inside(text))
    if field.name in NETS and (Path(text).exists() or "/" in text or "\\" in text):
        text = str(studio.places.inside(text))
    if field.name in NETS and (studio.places.runs / text / "config.yaml").is_file() and field.name != "model":
        text = studio.places.spoken(studio.places.run(text))
    if field.kind == "names and values":
        pairs = [word.partition("=") for word in shlex.split(text)]
        if not all(equals and name for name, equals, _ in pairs):
            raise UsageError(f"{field.name} takes NAME=VALUE, got {text[:60]!r}")
        found = {name: part if field.name == "columns" else parse_value(part) for name, _, part in pairs}
        return found, [word for name, _, part in pairs for word in (field.flag, f"{name}={part}")]
    # One word with its sign: a value that begins with a dash is no flag.
    joined = [f"{field.flag}={text}"] if text.startswith("-") else [field.flag, text]
    return (text if field.kind in ("word", "words") else parse_value(text)), joined


def check(asked: Asked) -> dict[str, Any]:
    """What a training would be: every choice with its reason, the net's layers, and the first one that does not fit."""
    said = asked.said
    source, settings, words = settings_of(asked.studio, said)
    found = foresee(source, {**settings, "out": str(asked.studio.places.runs)})
    recipe = flatten(found.recipe)
    answer: dict[str, Any] = {
        "command": spoken(words),
        "recipe": {name: value for name, value in recipe.items() if name not in OURS},
        "reasons": dict(found.reasons),
        "samples": {name: len(found.ids(name)) for name in ("train", "val", "test")},
        "classes": list(found.class_names),
        "problems": [asdict(problem) for problem in found.scan.problems[:20]],
        "more_problems": max(0, len(found.scan.problems) - 20),
    }
    try:
        spec = described(found)
        table = summarise(sized(spec)[0], (spec.in_chans, *(spec.img_size or ())))
        answer["net"] = {
            "input": [spec.in_chans, *(spec.img_size or ())], "params": table.params, "macs": table.macs,
            "layers": [
                {name: getattr(row, name) for name in ("name", "kind", "output", "params", "field")}
                for row in table.rows[:400]
            ],
        }  # fmt: skip
    except HubelError as error:
        answer["unfit"] = {"reason": error.what, "hint": error.hint}
    return answer


def start(asked: Asked) -> Job:
    """Begin a training; the page that asked may be closed."""
    _, _, words = settings_of(asked.studio, asked.said)
    return asked.studio.jobs.start(words)


def resume(asked: Asked) -> Job:
    """Go on with a run, perhaps with other settings."""
    said = asked.said
    folder = asked.studio.places.run(str(said.get("run", "")))
    if RunStore(folder).is_held():
        raise UsageError("it is being trained already", hint="nothing need be done")
    words = ["train", "--resume", asked.studio.places.spoken(folder)]
    for name, value in dict(said.get("settings", {})).items():
        field = next((field for field in fields() if field.name == name), None)
        if field is None or name in OURS:
            raise UsageError(f"a recipe has no setting {str(name)[:60]!r}")
        words += _setting(asked.studio, field, value)[1]
    return asked.studio.jobs.start(words)


def state(asked: Asked) -> dict[str, Any]:
    """All that a run's folder says of it, as the page shows it before the events come."""
    folder = asked.studio.places.run(asked.word("run"))
    store, record = RunStore(folder), RunRecord(folder)
    recipe = {name: value for part in record.recipe.values() for name, value in part.items()}
    data = _json(store, "data.json")
    samples = data.get("samples", {}) if isinstance(data, dict) else {}
    size, count = recipe.get("batch_size"), samples.get("train")
    steps = math.ceil(count / size) if isinstance(size, int) and isinstance(count, int) and size > 0 else 0
    with suppress(ArtefactError):
        summary = record.summary
    return {
        "run": record.name, "folder": asked.studio.places.spoken(folder), "status": record.status,
        "held": store.is_held(), "recipe": recipe, "reasons": _json(store, "reasons.json"),
        "asked": _json(store, "asked.json"), "segments": _json(store, "segments.json"), "samples": samples,
        "classes": data.get("class_names", []) if isinstance(data, dict) else [], "steps": steps,
        "command": _json(store, "env.json").get("command", ""), "summary": summary,
        "job": next((job.id for job in asked.studio.jobs.all() if job.run == record.name), ""),
        "report": store.exists("report.html"), "metrics": record.history,
    }  # fmt: skip


def order(asked: Asked) -> Any:
    """Pause, resume, step, set, save or stop a training; waits until it has obeyed."""
    said = asked.said
    folder = asked.studio.places.run(str(said.get("run", "")))
    command = str(said.get("command", ""))
    if command not in COMMANDS:
        raise UsageError(f"{command[:40]!r} is no order", hint=", ".join(COMMANDS))
    steps = said.get("steps", 1)
    settings = {str(name): value for name, value in dict(said.get("settings", {})).items()}
    found = control(
        folder, command, steps=steps if type(steps) is int else 1,
        settings={name: parse_value(str(value)) for name, value in settings.items()}, patience=PATIENCE,
    )  # fmt: skip
    words = [f"{name}={value}" for name, value in settings.items()] or ([str(steps)] if command == "step" else [])
    return {
        **asdict(found), "said": str(found),
        "as": spoken(["control", asked.studio.places.spoken(folder), command, *words]),
    }  # fmt: skip


def _json(store: RunStore, name: str) -> Any:
    with suppress(ArtefactError):
        return store.read_json(name, limit=1 << 30) if store.exists(name) else {}
    return {}


def _names(studio: Studio) -> list[str]:
    """Runs whose weights can be a start."""
    if not studio.places.runs.is_dir():
        return []
    return sorted(each.name for each in studio.places.runs.iterdir() if (each / "weights" / "best.json").is_file())


ROUTES = [
    Route("form", form), Route("check", check, "POST"), Route("start", start, "POST"),
    Route("resume", resume, "POST"), Route("state", state), Route("order", order, "POST"),
]  # fmt: skip
