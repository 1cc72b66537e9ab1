"""What a search found, as plain data: who won and by how much, every trial, what mattered, what was never tried."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubel.errors import ArtefactError
from hubel.events import SCORES
from hubel.recipes.schema import SECTION_OF
from hubel.searching.asking import Ask
from hubel.searching.axes import in_words, shown_value
from hubel.searching.hunt import score_words
from hubel.searching.importance import Importance, importances
from hubel.searching.journal import REFUSED, Journal, Trial
from hubel.searching.nets.genes import NetSpace
from hubel.searching.nets.written import as_code, as_yaml, space_as_yaml
from hubel.searching.room import is_far
from hubel.searching.standing import Beside, Finalist, Standing
from hubel.store import RunStore
from hubel.views import Viewed
from hubel.words import duration, plain, plural

NAME = "found.json"
LAYERS = "winner.yaml"
"""The layer list of the winner, in the folder of the search."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A trial as the report shows it."""

    number: int
    again: int
    seed: int
    values: Mapping[str, Any]
    origin: str
    folder: str
    params: int
    macs: int
    megabytes: float
    milliseconds: float | None
    epochs: int
    score: float | None
    """Best validation accuracy so far, or minus the loss."""
    seconds: float
    status: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Search(Viewed):
    """A search that has ended, or as far as it has come."""

    folder: Path
    status: str
    """finished, or stopped."""
    data: str
    sentence: str
    """The winner, in a sentence."""
    noise: tuple[str, ...]
    """What is luck and what is not, a sentence a finalist."""
    winner: str
    """Folder of the winner's run; "" where there is none."""
    test: str
    """What the winner does on the test split, which nothing else has seen; "" before it was measured."""
    command: str
    """Trains the winner anew."""
    budget: str
    seconds: float
    epochs: int
    """Of all trainings."""
    trials: tuple[Tried, ...]
    finalists: tuple[Finalist, ...]
    beside: tuple[Beside, ...]
    importance: tuple[Importance, ...]
    rung: int
    """Epochs at which importance was read."""
    refused: Mapping[str, int]
    """How many members of the space were never tried, by reason."""
    samples: int
    """Validation pictures."""
    score: str
    """What trials are compared by: accuracy, iou, map, recall; "" for the loss."""
    nets: str
    """How architectures were searched; "" where settings were."""
    layers: str
    """The winner as a layer list in YAML; "" where settings were searched."""
    code: str
    """The winner as PyTorch."""
    limits: str
    space: str = ""
    """The space of nets in YAML, as `--space` takes it; "" where settings were searched."""

    @property
    def best(self) -> Path:
        """The run folder of the winner: `hubel.Run(search.best)`."""
        return self.folder / self.winner

    @property
    def report(self) -> Path:
        """The page to read."""
        return self.folder / "search.html"

    def facts(self) -> dict[str, str]:
        """As it is printed."""
        tried = [trial for trial in self.trials if not trial.again]
        found = {
            "search": f"{self.folder}  ({self.status})", "best": self.sentence, "noise": " ".join(self.noise[:2]),
            "test": self.test,
            "tried": f"{plural(len(tried), 'trial')}, {plural(self.epochs, 'epoch')} in {duration(self.seconds)} "
            f"(allowed: {self.budget}){self._failed()}",
            "never tried": "; ".join(f"{n:,} {REFUSED.get(kind, kind)}" for kind, n in self.refused.items()),
            "mattered": ", ".join(f"{each.setting} {each.share:.0%}" for each in self.importance if each.is_sure),
            "net": str(self.folder / LAYERS) if self.layers else "",
            "run": str(self.best) if self.winner else "", "again": self.command,
            "report": str(self.report) if self.report.is_file() else "",
        }  # fmt: skip
        return {name: text for name, text in found.items() if text}

    def _failed(self) -> str:
        lost = sum(trial.status == "failed" for trial in self.trials)
        return f"; {plural(lost, 'trial')} failed" if lost else ""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        names = [name for name in self.__dataclass_fields__ if name != "folder"]
        return plain({"folder": str(self.folder), **{name: _plain(getattr(self, name)) for name in names}})


def read_search(folder: Path) -> Search:
    """A search that has ended, as it lies in its folder. Raises ArtefactError where that is damaged."""
    document = RunStore.open(folder).read_json(NAME, limit=1 << 28)
    parts: dict[str, Any] = {"trials": Tried, "finalists": Finalist, "beside": Beside, "importance": Importance}
    try:
        values: dict[str, Any] = {
            name: tuple(map(_whole, value)) if isinstance(value, list) else value for name, value in document.items()
        }
        values |= {name: tuple(kind(**each) for each in values[name]) for name, kind in parts.items()}
        return Search(**{**values, "folder": folder})
    except (TypeError, KeyError, AttributeError) as error:
        raise ArtefactError(
            f"{folder / NAME} is no result of a search: {error}", hint=f"hubel search --resume {folder} writes it anew"
        ) from None


def _whole(value: Any) -> Any:
    """Lists as tuples, as the dataclasses have them."""
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    return tuple(map(_whole, value)) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def conclude_search(
    folder: Path,
    ask: Ask,
    journal: Journal,
    standing: Standing | None,
    *,
    status: str,
    test: str,
    seconds: float,
    sight: tuple[tuple[int, ...], int] = ((), 0),
) -> Search:
    """Everything worth knowing of a search, from its journal and how its finalists stand.

    `sight`: C H W of what the nets see, and the number of classes.
    """
    winner = standing.winner if standing else None
    rung = ask.rungs[0]
    layers = winner_layers(ask, winner)
    return Search(
        folder=folder,
        status=status,
        data=Path(str(ask.given.get("data", ""))).name,
        sentence=sentence_of(standing, journal) if standing else "no trial came to a result",
        noise=(cut_short(standing, journal, ask) + (noise_of(standing) or seen_early(standing, journal, ask)))
        if standing
        else (),
        winner="" if winner is None else winner.folders[0],
        test=test,
        command="" if winner is None else command_of(ask, winner.values, folder, _seed(journal, winner.folders[0])),
        budget=ask.budget.said,
        seconds=seconds,
        epochs=journal.epochs,
        trials=tuple(map(tried_of, journal.trials)),
        finalists=() if standing is None else standing.finalists,
        beside=() if standing is None else standing.beside,
        importance=() if ask.nets else importances(ask.space, journal.tried, rung, ask.seed),
        rung=rung,
        refused=dict(Counter(each.kind for each in journal.refused)),
        samples=0 if standing is None else standing.samples,
        score="" if standing is None else standing.score,
        nets=ask.nets,
        layers=as_yaml(layers) if layers else "",
        code=as_code(layers, *sight) if layers else "",
        limits=ask.limits.flags,
        space=space_as_yaml(ask.space) if isinstance(ask.space, NetSpace) else "",
    )


def tried_of(trial: Trial) -> Tried:
    """A trial as plain data."""
    return Tried(
        number=trial.number, again=trial.again, seed=trial.seed, values=trial.values, origin=trial.origin,
        folder=trial.folder, params=trial.cost.params, macs=trial.cost.macs, megabytes=trial.cost.megabytes,
        milliseconds=trial.cost.milliseconds, epochs=trial.epochs, score=trial.score, seconds=trial.seconds,
        status=trial.status, reason=trial.reason,
    )  # fmt: skip


def sentence_of(standing: Standing, journal: Journal) -> str:
    """The winner in a sentence."""
    winner = standing.winner
    cost = journal.trial(winner.trial).cost
    seeds = f", the mean of {len(winner.scores)} seeds" if len(winner.scores) > 1 else ""
    what = "The defaults are best" if not winner.values else f"Trial {winner.trial} is best"
    said = "" if not winner.values else f": {in_words(winner.values)}"
    return (
        f"{what} of {plural(len(journal.tried), 'trial')}, with {named_score(winner.mean, standing.score)} on "
        f"{plural(standing.samples, 'validation sample')}{seeds} ({cost.params:,} parameters){said}."
    )


def noise_of(standing: Standing) -> tuple[str, ...]:
    """What is luck and what is not; nothing beat the defaults, where nothing did."""
    found: list[str] = []
    ahead, level, it = ("It is ahead", "It stands", "it") if standing.winner.values else (
        "They are ahead", "They stand", "them"
    )  # fmt: skip
    for each in standing.beside:
        values = next(one.values for one in standing.finalists if one.trial == each.trial)
        other = "the defaults" if not values else f"trial {each.trial}"
        facts = gap_words(each, standing.score)
        if each.difference < 0:  # one lucky seed is not to beat the mean of several
            behind = gap_words(each, standing.score, sign=-1)
            found.append(f"Ahead of {it}, but with fewer seeds, {'is' if values else 'are'} {other}: {behind}.")
        elif not each.known:
            found.append(f"{ahead} of {other}, perhaps by luck: {facts}.")
        elif not values and each.is_noise:
            found.insert(0, f"Nothing beat the defaults by more than noise: {facts}.")
        elif each.difference == 0:
            found.append(f"{level} level with {other}: {facts}.")
        elif each.is_noise:
            found.append(f"{ahead} of {other} within noise only: {facts}.")
        else:
            found.append(f"{ahead} of {other} by more than noise: {facts}.")
    if not standing.winner.values and standing.beside:
        lucky = any(each.difference < 0 for each in standing.beside)
        found.insert(0, f"Nothing{' that was trained with several seeds' if lucky else ''} beat the defaults.")
    return tuple(found)


def seen_early(standing: Standing, journal: Journal, ask: Ask) -> tuple[str, ...]:
    """By what the winner was chosen, where there was time to train it alone to its end."""
    winner = journal.trial(standing.winner.trial)
    others = [trial for trial in journal.tried if trial.number != winner.number and trial.score is not None]
    if not others and ask.budget.time is not None and ask.budget.trials is None:
        return ("Nothing else was tried: there was no time for more than one training.",)
    if not others or winner.epochs <= max(trial.epochs for trial in others):
        return ()
    found = "" if winner.status == "cut" else "There was time to train one net to its end. "
    if not winner.values:
        rung = max(trial.epochs for trial in others)
        if not is_far(rung, ask.full):
            return (f"{found}No other came so far that its score would say more than that of the defaults.",)
        early = plural(rung, "epoch")
        return (f"{found}After {early} of {ask.full} nothing was ahead of the defaults by more than chance.",)
    usual = next((trial for trial in others if not trial.values), None)
    ours = None if usual is None else winner.at(usual.epochs)
    if usual is None or usual.score is None or ours is None:
        return (f"{found}It was the best of those compared before.",)
    return (
        f"{found}After {plural(usual.epochs, 'epoch')} of {ask.full} it had {named_score(ours, standing.score)}, the "
        f"defaults {named_score(usual.score, standing.score)}.",
    )


def cut_short(standing: Standing, journal: Journal, ask: Ask) -> tuple[str, ...]:
    """That time ended the winner's training, whose command trains it to the end of its schedule."""
    folder = standing.winner.folders[0]
    trial = next(trial for trial in journal.trials if trial.folder == folder)
    if trial.status != "cut":
        return ()
    return (f"Its training ran out of time after {plural(trial.epochs, 'epoch')} of {ask.full}.",)


def named_score(score: float, name: str) -> str:
    """A score with its name, where it is no accuracy.

    >>> named_score(0.9, "accuracy"), named_score(0.5, "iou"), named_score(-0.25, "")
    ('90.00 %', '50.00 % mean IoU', 'loss 0.25')
    """
    return score_words(score) + ("" if name in ("", "accuracy") else f" {SCORES[name]}")


def gap_words(each: Beside, score: str, *, sign: int = 1) -> str:
    """How far the winner is ahead of a finalist, and what of it may be luck; `sign` -1: how far that is behind.

    >>> gap_words(Beside(trial=2, difference=0.02, interval=(-0.01, 0.05), seeds=(2, 1)), "accuracy")
    '+2.00 points (95 % interval -1.00 to +5.00, 2 and 1 seed; with one seed the interval is too narrow)'
    >>> gap_words(Beside(trial=2, difference=0.02, interval=(0.01, 0.03), seeds=(2, 2)), "")
    'a loss smaller by 0.02 (95 % interval +0.01 to +0.03, 2 and 2 seeds)'
    >>> gap_words(Beside(trial=2, difference=0.02, interval=(0.02, 0.02), seeds=(1, 1), by_sample=False), "iou")
    '+2.00 points of mean IoU (1 and 1 seed: what another seed would do is not known)'
    """
    scale, digits = (100 * sign, "+.2f") if score else (sign, "+.3g")
    if score:
        gap = f"{scale * each.difference + 0.0:{digits}} points" + (
            "" if score == "accuracy" else f" of {SCORES[score]}"
        )
    else:
        gap = f"a loss {'smaller' if scale * each.difference >= 0 else 'larger'} by {abs(each.difference):.3g}"
    seeds = f"{each.seeds[0]} and {plural(each.seeds[1], 'seed')}"
    if not each.known:
        return f"{gap} ({seeds}: what another seed would do is not known)"
    low, high = sorted(scale * end for end in each.interval)
    note = "" if each.by_sample else "; other samples are not counted"
    note += "" if min(each.seeds) > 1 else "; with one seed the interval is too narrow"
    return f"{gap} (95 % interval {low:{digits}} to {high:{digits}}, {seeds}{note})"


def winner_layers(ask: Ask, winner: Finalist | None) -> list[Any]:
    """The layer list of the winner; [] where settings were searched, or the defaults won."""
    if winner is None or not winner.values or not isinstance(ask.space, NetSpace):
        return []
    return ask.space.layers(winner.values)


def command_of(ask: Ask, values: Mapping[str, Any], folder: Path, seed: int = 0) -> str:
    """The command that trains a member anew."""
    settings = {**ask.given, "epochs": ask.full, **ask.space.settings(values, ask.given)}
    if isinstance(ask.space, NetSpace) and values:
        settings = {**ask.given, "epochs": ask.full, "model": str(folder / LAYERS)}
    settings |= {"seed": seed} if seed else {}
    words = ["hubel", "train", str(settings.pop("data"))]
    for name, value in settings.items():
        if value is None or name not in SECTION_OF:
            continue
        flag = f"--{name.rstrip('_').replace('_', '-')}"
        if isinstance(value, Mapping):
            words += [
                word for key, inner in value.items() for word in (flag.removesuffix("s"), f"{key}={_typed(inner)}")
            ]
        elif isinstance(value, bool):
            words.append(flag if value else flag.replace("--", "--no-", 1))
        else:
            words += [flag, _typed(value)]
    return shlex.join(words)


def _seed(journal: Journal, folder: str) -> int:
    return next((trial.seed for trial in journal.trials if trial.folder == folder), 0)


def _typed(value: Any) -> str:
    if isinstance(value, (list, tuple)) and all(isinstance(each, str) and " " not in each for each in value):
        return ",".join(value)
    return shown_value(value)


def rows_of(trials: Sequence[Tried]) -> list[Tried]:
    """The best first; those without a result last."""
    return sorted(trials, key=lambda each: (each.score is None, -(each.score or 0.0), each.number))
