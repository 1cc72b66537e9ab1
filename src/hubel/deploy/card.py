"""The card of a shipped net: what it learnt from, what it is worth, where it fails, how it was made.

Plain data first (`describe`), from what the run wrote of itself; `markdown` is the same to read. Only what is known
stands in it: what the run does not say is said to be unknown, and what only its owner can say is left to fill in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from hubel.checkpoint import Classifier
from hubel.metrics.calibrators import Calibrator
from hubel.store import RunStore
from hubel.words import number, percent, plain, span

WORST = 10
"""Confusions that are named."""
TO_FILL_IN = "to be filled in by who ships it"
UNSTATED = "not stated: who ships this net says under which licence, which depends on its data and on its start too"
_SHARES = {
    "top1": "accuracy", "top5": "top-5 accuracy", "balanced_accuracy": "balanced accuracy",
    "macro_f1": "F1, mean of classes", "mean_ap": "mAP", "exact": "all labels right", "micro_f1": "F1 over all answers",
}  # fmt: skip
_SHARES_OF_TASKS = {
    "mean_iou": "mean IoU", "pixel_accuracy": "pixels that are right", "nearest_class": "nearest class is right"
}  # fmt: skip
_NUMBERS = {"auc": "AUC, mean of classes", "log_loss": "log loss, nats", "brier": "Brier score"}


def card_of(
    folder: Path,
    name: str,
    classifier: Classifier,
    *,
    views: str | None,
    licence: str,
    outputs: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The card of the run, or the weights, in `folder`: from what the run wrote of itself, or others published."""
    said: dict[str, Any] = {}
    if folder.is_dir():
        store = RunStore.open(folder)
        for key, file in (
            ("evaluation", "evaluation.json"), ("summary", "summary.json"), ("data", "data.json"),
            ("environment", "env.json"),
        ):  # fmt: skip
            found = store.read_json(file, limit=1 << 30) if store.exists(file) else None
            said[key] = found if isinstance(found, dict) else None
    entry = classifier.published
    described: dict[str, Any] = plain(
        describe(
            classifier,
            name=name,
            views=classifier.views if views is None else views,
            calibrator=classifier.calibrator,
            licence=licence,
            published=None if entry is None else entry.to_dict(),
            outputs=outputs,
            **said,
        )
    )
    return described


def describe(
    classifier: Classifier,
    *,
    name: str,
    views: str,
    calibrator: Calibrator,
    licence: str = "",
    published: Mapping[str, Any] | None = None,
    evaluation: Mapping[str, Any] | None = None,
    summary: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    environment: Mapping[str, Any] | None = None,
    outputs: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The card as plain data. The four before the last are what the run's files of these names say; None for what is
    not there.

    `published`: what is known of the published weights that this net has, untouched: "file", "sha256", "from",
    "licence", "trained_on", "top1", "side", "of_100_photographs". It stands apart from what was measured here.
    `outputs`: what the file gives (`hubel.deploy.ended.described`); () for the probabilities of classes.
    """
    evaluation, summary, data, environment = evaluation or {}, summary or {}, data or {}, environment or {}
    public = dict(published or {})
    said = classifier.provenance
    seen = classifier.preprocessing
    recipe = said.recipe
    return {
        "format": "hubel-card",
        "version": 1,
        "name": name,
        "net": {
            "architecture": classifier.spec.architecture,
            "parameters": sum(parameter.numel() for parameter in classifier.model.parameters()),
            "weights_sha256": said.sha256,
        },
        "task": classifier.task,
        "classes": list(classifier.class_names),
        "outputs": [dict(each) for each in outputs],
        "thresholds": classifier.label_thresholds.tolist() if classifier.several else [],
        "input": {} if seen is None else seen.to_dict() | {"views": views},
        "data": {
            "source": _base(data.get("source") or _part(recipe, "data").get("data") or public.get("trained_on", "")),
            "digest": said.data_digest,
            "split_digest": str(data.get("split_digest", "")),
            "samples": dict(data.get("samples") or {}),
        },
        "start": {key: _base(value) for key, value in _part(recipe, "transfer").items() if key == "from" and value},
        "published": public,
        "measured": _measured_of_task(evaluation, summary) if outputs else _measured(evaluation),
        "per_class": [] if outputs else (_per_label if classifier.several else _per_class)(evaluation),
        "calibration": {}
        if outputs
        else _calibration(evaluation) | {"kind": calibrator.kind, "words": calibrator.words},
        "confusions": list(evaluation.get("most_confused") or [])[:WORST],
        "intended_use": TO_FILL_IN,
        "not_for": TO_FILL_IN,
        "licence": licence or public.get("licence", UNSTATED),
        "energy": dict(summary.get("energy") or {}),
        "reproduce": {
            "command": " ".join(_base(word) for word in str(environment.get("command", "")).split(" ")),
            "recipe": {key: value for key, value in recipe.items() if key not in ("data", "run", "transfer")},
            "made_with": dict(said.made_with),
            "python": str(environment.get("python", "")),
            "device": str(environment.get("device_name", "")),
        },
    }


def _part(recipe: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = recipe.get(name)
    return part if isinstance(part, Mapping) else {}


def _base(word: Any) -> str:
    """A path without its folders, which are nobody's business.

    >>> _base("/home/ada/photos"), _base("digits"), _base("photos/")
    ('photos', 'digits', 'photos')
    """
    text = str(word)
    return PurePath(text).name if "/" in text or "\\" in text else text


def _measured(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    if not evaluation:
        return {}
    intervals = evaluation.get("intervals") or {}
    return {
        "split": evaluation.get("split", ""),
        "samples": evaluation.get("samples", 0),
        "numbers": {
            key: {"value": evaluation[key], "interval": intervals.get(key)}
            for key in (*_SHARES, *_NUMBERS)
            if evaluation.get(key) is not None
        },
    }


def _measured_of_task(evaluation: Mapping[str, Any], summary: Mapping[str, Any]) -> dict[str, Any]:
    """What a task tells of itself: its sentence, and the numbers that have an interval."""
    if not evaluation:
        return {}
    split, intervals = str(evaluation.get("split", "")), evaluation.get("intervals") or {}
    return {
        "split": split,
        "samples": evaluation.get("samples", 0),
        "sentence": str(_part(summary, split).get("sentence", "")),
        "numbers": {
            key: {"value": evaluation[key], "interval": low_high}
            for key, low_high in intervals.items()
            if isinstance(evaluation.get(key), (int, float))
        },
    }


def _per_class(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    table = evaluation.get("per_class") or {}
    keys = [key for key in ("precision", "recall", "f1", "support") if key in table]
    rows = zip(*(table[key] for key in keys), strict=True) if keys else ()
    return [
        {"class": name} | dict(zip(keys, row, strict=True))
        for name, row in zip(evaluation.get("class_names") or (), rows, strict=False)
    ]


def _per_label(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    table = evaluation.get("per_class") or {}
    return [
        {"class": name, "support": row["samples"]} | {key: row[key] for key in ("precision", "recall", "f1")}
        for name, row in table.items()
    ]


def _calibration(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    found = evaluation.get("calibration") or {}
    return {key: found[key] for key in ("ece", "mce", "mean_confidence") if found.get(key) is not None}


def markdown(card: Mapping[str, Any], *, files: Mapping[str, str] | None = None) -> str:
    """The card as a page of Markdown; `files` are lines on the form it is shipped in, by title.

    Names of classes are the user's own and are shown as code, so that none of them is taken for markup.
    """
    net, data, measured = card["net"], card["data"], card["measured"]
    lines = [f"# {_text(card['name'])}", "", _summary(card), ""]
    if files:
        lines += ["## The file", "", *(f"- {title}: {text}" for title, text in files.items()), ""]
    if card["outputs"]:
        lines += ["## What it gives", "", *_gives(card["outputs"]), ""]
    lines += ["## What it is", ""]
    lines.append(f"- net: {_text(net['architecture'])}, {net['parameters']:,} parameters")
    seen = card["input"]
    if seen:
        colour = "colour" if seen["channels"] == 3 else "grey"
        lines.append(
            f"- input: {seen['width']} x {seen['height']} pixels, {colour}, {seen['fit']}, {seen['interpolation']}, "
            f"views: {seen['views']}"
        )
    if card["outputs"]:
        by_number = any("K" in each["axes"] for each in card["outputs"])
        lines += [f"- task: {card['task']}", *(_named(card["classes"]) if by_number else ())]
    elif card["thresholds"]:
        each = zip(card["classes"], card["thresholds"], strict=True)
        limits = [f"{_code(name)} from {limit:.3g} on" for name, limit in each]
        lines.append(f"- {len(limits)} labels, each said by its own probability: " + ", ".join(limits[:100]))
    else:
        lines.append(f"- {len(card['classes'])} classes: " + ", ".join(map(_code, card["classes"][:100])))
    lines.append(f"- weights: SHA-256 {net['weights_sha256'] or 'unknown'}")
    public = card.get("published") or {}
    if public:
        more = "" if len(public["sha256"]) == 64 else " begins with"
        lines.append(f"- as published: {public['file']}, SHA-256{more} {public['sha256']}, from {public['from']}")
    lines += ["", "## Data", "", f"- source: {_text(data['source']) or 'unknown'}"]
    samples = data["samples"]
    if samples:
        lines.append("- samples: " + ", ".join(f"{count:,} {part}" for part, count in samples.items() if count))
    lines.append(f"- digest of the data: {data['digest'] or 'unknown'}")
    if card["start"]:
        lines.append(f"- it started from {_text(card['start']['from'])}")
    lines += ["", "## What it is worth", ""]
    if public:
        lines += [as_published(public)]
    else:
        lines += _numbers(measured) or ["Nothing was measured where these weights come from."]
    if not card["outputs"]:
        lines += ["", *_classes(card["per_class"]), *_doubts(card)]
    lines += ["", "## Use", "", f"- intended use: {card['intended_use']}", f"- not for: {card['not_for']}"]
    lines += [f"- licence: {_text(card['licence'])}", ""]
    if card["energy"]:
        lines += ["## Energy", "", f"Training took {_text(card['energy'].get('sentence', 'an unknown amount'))}", ""]
    made = card["reproduce"]
    lines += ["## How to make it again", ""]
    if made["command"]:
        lines += [f"    {_plain(made['command'])}", ""]
    versions = ", ".join(f"{key} {value}" for key, value in made["made_with"].items())
    if public:
        lines += ["The weights were trained by others, and brought into this form as they were published.", ""]
        lines.append(f"With {versions or 'unknown versions'}.")
        return "\n".join(lines) + "\n"
    lines.append(f"With {versions or 'unknown versions'}; the recipe and all seeds stand in the JSON card.")
    return "\n".join(lines) + "\n"


def _doubts(card: Mapping[str, Any]) -> list[str]:
    """Of a net that names classes: how sure it is, and where it fails."""
    lines = ["## How sure it is", ""]
    how = card["calibration"]
    if "ece" in how:
        lines.append(
            f"- mean confidence {percent(how['mean_confidence'])}, expected calibration error {percent(how['ece'])}"
        )
    lines.append(f"- logits are {how['words']} before the {'sigmoid' if card['thresholds'] else 'softmax'}")
    lines += ["", "## Where it fails", ""]
    worst = [
        f"- {_code(row['label'])} is called {_code(row['predicted'])}: {row['count']} of its samples, "
        f"{percent(row['share'])}"
        for row in card["confusions"]
    ]
    lines += worst or ["No confusions are known."]
    return lines


def _gives(outputs: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a file gives, as a table."""
    rows = [
        f"| `{each['name']}` | {' '.join(map(str, each['shape']))} | {each['type']} | {_text(each['what'])} |"
        for each in outputs
    ]
    return ["| output | shape | type | what |", "| --- | --- | --- | --- |", *rows]


def _named(classes: Sequence[str]) -> list[str]:
    """The classes with their numbers, as outputs say them."""
    each = ", ".join(f"{number} {_code(name)}" for number, name in enumerate(classes[:100]))
    return [f"- {len(classes)} classes, by number: {each}"] if classes else []


def _summary(card: Mapping[str, Any]) -> str:
    if card["outputs"]:
        return " ".join([f"A net for the task {card['task']}.", card["measured"].get("sentence", "")]).strip()
    numbers = card["measured"].get("numbers", {})
    if card["thresholds"]:
        found = numbers.get("exact")
        measured = "" if not found else (
            f" All labels are right in {percent(found['value'])} of the {card['measured']['samples']:,} "
            f"{card['measured']['split']} samples (95 % interval {span(found['interval'])})."
        )  # fmt: skip
        return f"A net that says which of {len(card['classes'])} labels hold of a picture.{measured}"
    found = numbers.get("top1")
    if not found:
        return f"A classifier of pictures into {len(card['classes'])} classes."
    interval = f" (95 % interval {span(found['interval'])})" if found["interval"] else ""
    return (
        f"A classifier of pictures into {len(card['classes'])} classes. It names {percent(found['value'])} of the "
        f"{card['measured']['samples']:,} {card['measured']['split']} samples correctly{interval}."
    )


def as_published(public: Mapping[str, Any]) -> str:
    """What others measured of published weights, and hubel with them.

    >>> as_published({"top1": 0.751, "trained_on": "ImageNet", "side": 224, "of_100_photographs": None})
    'As published (not measured here): top-1 75.1 % on the validation pictures of ImageNet, at 224 x 224 pixels.'
    """
    few = public.get("of_100_photographs")
    seen = "" if few is None else f" Of 100 photographs of as many classes hubel names {few} right with them."
    return (
        f"As published (not measured here): top-1 {100 * public['top1']:.4g} % on the validation pictures of "
        f"{public['trained_on']}, at {public['side']} x {public['side']} pixels.{seen}"
    )


def _numbers(measured: Mapping[str, Any]) -> list[str]:
    rows = []
    for key, found in measured.get("numbers", {}).items():
        share = key in _SHARES or key in _SHARES_OF_TASKS
        value = percent(found["value"]) if share else number(found["value"])
        low_high = found["interval"]
        interval = "" if not low_high else span(low_high) if share else " – ".join(number(v) for v in low_high)
        title = _SHARES.get(key) or _NUMBERS.get(key) or _SHARES_OF_TASKS.get(key) or key.replace("_", " ")
        rows.append(f"| {title} | {value} | {interval} |")
    if not rows:
        return []
    head = f"On {measured['samples']:,} {measured['split']} samples, with 95 % intervals:"
    return [head, "", "| what | value | interval |", "| --- | --- | --- |", *rows]


def _classes(rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return []
    shown = [
        f"| {_code(row['class'])} | {_share(row.get('precision'))} | {_share(row.get('recall'))} | "
        f"{_share(row.get('f1'))} | {row.get('support', '')} |"
        for row in rows
    ]
    return ["| class | precision | recall | F1 | samples |", "| --- | --- | --- | --- | --- |", *shown, ""]


def _share(value: float | None) -> str:
    return "" if value is None else percent(value)


def _code(name: str) -> str:
    """A name that no renderer takes for markup."""
    return f"`{_plain(name).replace('`', chr(39)).replace('|', '/')}`"


def _text(value: Any) -> str:
    return _plain(str(value)).replace("<", "&lt;").replace("|", "/")


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
