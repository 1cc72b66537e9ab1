"""Pictures in, answers out, for nets whose task is no label: what is told of each, and the picture they answer with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from hubel.checkpoint import Classifier, check_classes
from hubel.checkpoint.telling import Heard, say_several, voices_of
from hubel.data.given import read_given
from hubel.data.manifest import Problem
from hubel.data.preprocessing import Preprocessing
from hubel.errors import ArtefactError, UsageError
from hubel.evaluation.asking import Said, ask, dissent, order_of, voices
from hubel.metrics.probability import disagreements, spread_of
from hubel.metrics.retrieval import distances, middles
from hubel.metrics.surprise import METHODS, stretches, surprises
from hubel.tasks import TASKS
from hubel.tasks.answers import Answer
from hubel.tasks.embed import middles_of
from hubel.tasks.saying import say_areas, say_given_back, say_nearest
from hubel.words import in_figures, percent


def check_together(members: Sequence[Classifier]) -> None:
    """Raise UsageError for nets of different tasks; ArtefactError for nets whose answers have no mean, of other
    classes, or, but for pixels, which can be laid on one grid, that take their samples in another way.
    """
    lead = members[0]
    tasks = list(dict.fromkeys(member.task for member in members))
    if len(tasks) > 1:
        raise UsageError(f"these nets were trained for different tasks: {', '.join(tasks)}", hint="give runs of one")
    lead.require_mean()
    for number, member in enumerate(members[1:], start=2):
        which = f"net {number} of {len(members)} nets"
        check_classes(sorted(lead.class_names), sorted(member.class_names), what=which)
        if (lead.preprocessing is None) != (member.preprocessing is None):
            raise ArtefactError(f"{which} learnt from {member.material}, the first from {lead.material}",
                                hint="give runs that learnt from the same data")  # fmt: skip
        if not lead.several and TASKS.get(lead.task).mean != "pixels" and _sight(member) != _sight(lead):
            raise ArtefactError(
                f"{which} takes {lead.material} in another size, on another scale or from other columns than the first",
                hint="give runs of the same data, --split-seed and --img-size, or ask them one by one",
            )


def _sight(member: Classifier) -> tuple[object, ...]:
    """How a net takes its samples: equal where one tensor serves both."""
    seen, columns = member.preprocessing, member.columns
    return (None if seen is None else replace(seen, takes=""), None if columns is None else columns.to_dict())


Others = Sequence[Classifier]
"""Nets that answer together with the first."""


ANSWERS = 1 << 24
"""Numbers that several nets answer with and that are held together."""


def answers(
    classifier: Classifier, names: Sequence[str], images: np.ndarray, device: torch.device, others: Others = ()
) -> list[Answer]:
    """Answers to prepared pictures N C H W uint8."""
    seen = classifier.preprocessing
    assert seen is not None
    members = [classifier, *others]
    some = len(images) if voices(members) == 1 else at_once(members, seen)
    found: list[Answer] = []
    for start in range(0, len(images), some):
        inputs = seen.normalise(torch.from_numpy(images[start : start + some]).to(device))
        found += ANSWERED[classifier.task](classifier, names[start : start + some], ask(members, inputs))
    return found


def said_by(classifier: Classifier, names: Sequence[str], inputs: torch.Tensor, answers: torch.Tensor) -> list[Answer]:
    """Answers of a net, or of a form of it, that said `answers` B … to normalised pictures; of a joined run with what
    each member said behind them, as `net_of_voices` has it.
    """
    whole, each, weights = voices_of(classifier, answers.float())
    said = Said(inputs=inputs, answers=whole, each=each, weights=weights)
    return ANSWERED[classifier.task](classifier, names, said)


def at_once(members: Sequence[Classifier], seen: Preprocessing) -> int:
    """Pictures of that size whose answers by several nets are held together, if these answer for every pixel."""
    each = seen.height * seen.width * max(seen.channels, len(members[0].class_names))
    return max(1, ANSWERS // (each * voices(members)))


def answer_points(
    classifier: Classifier, names: Sequence[str], points: np.ndarray, device: torch.device, others: Others = ()
) -> list[Answer]:
    """Answers to points N F float32, or to series N F T, as the net takes them."""
    inputs = torch.from_numpy(np.ascontiguousarray(points)).to(device)
    return ANSWERED[classifier.task](classifier, names, ask([classifier, *others], inputs))


Some = Callable[[list[Any], int, int], tuple[list[Answer], tuple[Problem, ...]]]
"""What answers a batch of pictures as they were given: (pictures, the number of the first, how many in all)."""


def answer_some(classifier: Classifier, device: torch.device, others: Others = ()) -> Some:
    """What answers a batch of pictures."""
    seen = classifier.preprocessing
    assert seen is not None
    if others and TASKS.get(classifier.task).mean == "pixels":
        return _answer_areas([classifier, *others], device)

    def some(items: list[Any], first: int, total: int) -> tuple[list[Answer], tuple[Problem, ...]]:
        names, images, bad = read_given(items, seen, first=first)
        return answers(classifier, names, images, device, others) if len(images) else [], bad

    return some


def _answer_areas(members: Sequence[Classifier], device: torch.device) -> Some:
    """The same of nets that answer for pixels, each asked at its own size; the mask is as large as the largest of them.

    The mean is that of the probabilities of each pixel. Raises ArtefactError for nets that see other parts of a picture
    than each other, so that their pixels lie on no common grid.
    """
    largest = max(members, key=lambda member: 0 if (seen := member.preprocessing) is None else seen.height * seen.width)
    alike = {_cut(member) for member in members}
    if len(alike) > 1:
        raise ArtefactError(
            f"these nets see other parts of a picture: {' and '.join(sorted(alike))}; their pixels have no mean",
            hint="give runs of one --fit and one shape of --img-size",
        )
    lead = replace(members[0], preprocessing=largest.preprocessing)

    def some(items: list[Any], first: int, total: int) -> tuple[list[Answer], tuple[Problem, ...]]:
        read: dict[tuple[Any, ...], tuple[list[str], np.ndarray, tuple[Problem, ...]]] = {}
        for member in members:
            assert member.preprocessing is not None
            if member.preprocessing.geometry not in read:
                read[member.preprocessing.geometry] = read_given(items, member.preprocessing, first=first)
        bad = {problem.path: problem for _, _, problems in read.values() for problem in problems}
        kept = {size: [k for k, name in enumerate(names) if name not in bad] for size, (names, *_) in read.items()}
        problems = tuple(bad.values())
        assert lead.preprocessing is not None
        names = read[lead.preprocessing.geometry][0]
        places = kept[lead.preprocessing.geometry]
        if not places:
            return [], problems
        found: list[Answer] = []
        step = at_once(members, lead.preprocessing)
        for start in range(0, len(places), step):

            def inputs(member: Classifier, part: slice = slice(start, start + step)) -> torch.Tensor:
                seen = member.preprocessing
                assert seen is not None
                mine = read[seen.geometry][1][kept[seen.geometry][part]]
                return seen.normalise(torch.from_numpy(np.ascontiguousarray(mine)).to(device))

            each = [
                F.interpolate(
                    ask([member], inputs(member)).answers.softmax(1)[:, order_of(member, lead)],
                    lead.preprocessing.shape[1:], mode="bilinear", align_corners=False,
                )
                for member in members
            ]  # fmt: skip
            together = torch.stack(each)  # M B K H W
            said = Said(inputs=inputs(lead), answers=together.mean(0), each=together)
            found += areas(lead, [names[k] for k in places[start : start + step]], said)
        return found, problems

    return some


def _cut(member: Classifier) -> str:
    """Which part of a picture a net sees, in words."""
    seen = member.preprocessing
    assert seen is not None
    if seen.fit == "squash":
        return "all of it, squashed"
    share = "" if seen.crop_share == 1 else f" of {seen.crop_share:g}"
    return f"--fit {seen.fit}{share} to {seen.width / seen.height:.3g} times as wide as high"


def _given_back(classifier: Classifier, names: Sequence[str], said: Said) -> list[Answer]:
    assert classifier.preprocessing is not None
    truth = classifier.preprocessing.denormalise(said.inputs.float())
    given = classifier.preprocessing.denormalise(said.answers).clamp(0, 1)
    errors = (given - truth).square().flatten(1).mean(1).double().cpu().numpy()
    pictures, seen = (part.clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy() for part in (given, truth))
    found = say_given_back(names, errors, pictures, seen)
    if said.each is None:
        return found
    each = np.stack([classifier.preprocessing.denormalise(one).cpu().numpy() for one in said.each])
    apart = np.sqrt(np.square(said.spread(each)).reshape(len(names), -1).mean(1)).tolist()
    return [
        replace(answer, disagreement={"picture": far}, told_apart=f"their pixels differ by ±{far:.3g} of 1")
        for answer, far in zip(found, apart, strict=True)
    ]


def areas(classifier: Classifier, names: Sequence[str], said: Said) -> list[Answer]:
    """Masks, and of several nets where they differ: there a mask may be wrong."""
    masks = said.answers.argmax(1)
    found = say_areas(names, masks.to(torch.uint8).cpu().numpy(), classifier.class_names)
    if said.each is None:
        return found
    apart = dissent(said.each, masks, said.weights).cpu().numpy()
    pictures = shown(classifier, said.inputs)
    return [
        replace(
            answer, seen=picture, beside={"disagreement": (255 * part).round().astype(np.uint8)},
            disagreement={"pixels": float((part > 0).mean())},
            told_apart=f"they differ at {percent(float((part > 0).mean()), 1)} of the pixels",
        )
        for answer, part, picture in zip(found, apart, pictures, strict=True)
    ]  # fmt: skip


def shown(classifier: Classifier, inputs: torch.Tensor) -> np.ndarray:
    """Pictures as the net sees them, B C H W uint8."""
    assert classifier.preprocessing is not None
    pixels = classifier.preprocessing.denormalise(inputs.float()).clamp(0, 1)
    return np.asarray(pixels.mul(255).round().to(torch.uint8).cpu().numpy())


def _colours(classifier: Classifier, names: Sequence[str], said: Said) -> list[Answer]:
    bytes_ = said.answers.clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8).cpu().numpy()
    called = ("red", "green", "blue") if bytes_.shape[1] == 3 else ("grey",)
    found = []
    for name, at, row in zip(names, said.inputs.tolist(), bytes_.tolist(), strict=True):
        numbers = {"y": at[0], "x": at[1]} | {word: float(value) for word, value in zip(called, row, strict=True)}
        found.append(Answer(name, ", ".join(f"{w} {v}" for w, v in zip(called, row, strict=True)), numbers))
    return found


def _at_the_end(classifier: Classifier, names: Sequence[str], said: Said) -> list[Answer]:
    inputs = said.inputs
    last = [-1] * len(names) if inputs.ndim == 4 else (inputs[:, -1].sum(1).long().clamp_min(1) - 1).tolist()
    rows = list(range(len(names)))
    ends = said.answers[rows, last].cpu().numpy().astype(np.float64)
    each = None if said.each is None else said.each[:, rows, last].cpu().numpy().astype(np.float64)  # M N K
    found = []
    apart: list[tuple[str, dict[str, float] | None]]
    apart = [("", None)] * len(names) if each is None else steps_apart(classifier, each, said.weights)
    if classifier.class_names:
        for name, row, (in_words, far) in zip(names, _shares(ends), apart, strict=True):
            first, *others = (f"{classifier.class_names[k]} {row[k]:.1%}" for k in np.argsort(-row, kind="stable")[:3])
            numbers = dict(zip(classifier.class_names, row.tolist(), strict=True))
            label = classifier.class_names[int(row.argmax())]
            found.append(
                Answer(
                    name, f"{first} ({', '.join(others)})", numbers, labels=(label,), of_labels="probabilities",
                    disagreement=far, told_apart=in_words,
                )
            )  # fmt: skip
        return found
    assert classifier.columns is not None
    called = [column.name for column in classifier.columns.answers]
    strange = strange_steps(classifier, inputs.cpu().numpy(), said.answers.cpu().numpy())
    for place, (name, row) in enumerate(zip(names, classifier.columns.told(ends), strict=True)):
        told = "after its last step: " + ", ".join(
            f"{word} {in_figures(value)}" for word, value in zip(called, row, strict=True)
        )
        numbers = dict(zip(called, row.tolist(), strict=True))
        steps = strange[place] if strange else None
        if steps is not None:
            told += f"; {told_strange(steps)}"
            passed = steps["recurrent"] > 1
            numbers |= {"strange_steps": float(passed.sum()), "steps": float(len(passed))}
            numbers |= {f"strange_{method}": float((steps[method] > 1).sum()) for method in METHODS[1:]}
        in_words, far = apart[place]
        found.append(Answer(name, told, numbers, steps=steps, disagreement=far, told_apart=in_words))
    return found


def steps_apart(
    net: Classifier, each_MNK: np.ndarray, weights_M: np.ndarray | None
) -> list[tuple[str, dict[str, float] | None]]:
    """Of N answers of several nets after a step: how much they disagree, in words, and by what an answer is made of."""
    if net.class_names:
        far = disagreements(_shares(each_MNK), weights_M).tolist()
        return [("" if one < 0.01 else f"they disagree by {one:.2f}", {"answer": one}) for one in far]
    assert net.columns is not None
    called = [column.name for column in net.columns.answers]
    rows = spread_of([net.columns.told(one) for one in each_MNK], weights_M).tolist()
    return [
        (
            f"they differ: {', '.join(f'{word} ±{in_figures(far, 3)}' for word, far in zip(called, row, strict=True))}",
            dict(zip(called, row, strict=True)),
        )
        for row in rows
    ]


def _shares(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def strange_steps(classifier: Classifier, inputs: np.ndarray, said: np.ndarray) -> list[dict[str, np.ndarray]]:
    """Of series N F T of a net that foretells, with what it said N T K: how strange each step is, by method. [] where
    the net learnt nothing to tell that by.
    """
    columns = classifier.columns
    if columns is None or not columns.foretold or classifier.learnt is None:
        return []
    arrays = classifier.learnt.arrays
    series = columns.answered(inputs)
    return [surprises(arrays, one, said[row, : len(one)]) for row, one in enumerate(series)]


def told_strange(steps: dict[str, np.ndarray]) -> str:
    """Which steps of a series are strange, in words, and how many the simple methods beside say.

    >>> told_strange({name: np.array([np.nan, 0.2, 3.0, 2.0]) for name in METHODS})
    '2 of 4 steps are strange: 3 to 4 (pca says 2, knn 2, average 2)'
    """
    passed = steps["recurrent"] > 1
    others = [int((steps[method] > 1).sum()) for method in METHODS[1:]]
    beside = "pca says {}, knn {}, average {}".format(*others)
    if not passed.any():
        return f"none of {len(passed):,} steps is strange ({beside})"
    groups = sorted(stretches(passed), key=lambda pair: -float(np.nanmax(steps["recurrent"][pair[0] - 1 : pair[1]])))
    places = ", ".join(f"{first}" if first == last else f"{first} to {last}" for first, last in sorted(groups[:5]))
    more = f" and {len(groups) - 5:,} more places" if len(groups) > 5 else ""
    count = int(passed.sum())
    verb = "step is" if len(passed) == 1 else "steps is" if count == 1 else "steps are"
    return f"{count:,} of {len(passed):,} {verb} strange: {places}{more} ({beside})"


def _several(classifier: Classifier, names: Sequence[str], said: Said) -> list[Answer]:
    logits, inside, each = (None if t is None else t.cpu().numpy() for t in (said.answers, said.features, said.each))
    assert logits is not None
    features = logits[:, :0] if inside is None else inside
    heard = Heard(logits=logits, features=features, each=each, weights=said.weights)
    second = classifier.trust is not None and bool(classifier.trust.beside)
    return say_several(classifier, names, heard, shown(classifier, said.inputs) if second else None)


def _nearest(classifier: Classifier, names: Sequence[str], said: Said) -> list[Answer]:
    learnt, points = classifier.learnt, said.answers.cpu().numpy()
    apart = distances(points, middles_of({} if learnt is None else learnt.arrays))
    limit = None if learnt is None else learnt.facts.get("distance")
    near = apart.min(1) <= limit if isinstance(limit, (int, float)) else np.ones(len(apart), bool)
    return say_nearest(names, apart, classifier.class_names, near.tolist(), points)


def with_classes(classifier: Classifier, names: Sequence[str], points: np.ndarray, labels: np.ndarray) -> Classifier:
    """The net with further classes, or known ones anew, from embeddings N D of labelled samples; nothing is trained."""
    assert classifier.learnt is not None
    added = middles(points, labels, len(names)).astype(np.float32)
    known = [k for k, name in enumerate(classifier.class_names) if name not in set(names)]
    every = np.concatenate([classifier.learnt.arrays["middles"][known], added])
    all_names = tuple(classifier.class_names[k] for k in known) + tuple(names)
    return replace(
        classifier, class_names=all_names, learnt=replace(classifier.learnt, arrays={"middles": every}),
    )  # fmt: skip


ANSWERED: dict[str, Callable[[Classifier, Sequence[str], Said], list[Answer]]] = {
    "embed": _nearest,
    "field": _colours,
    "multilabel": _several,
    "reconstruct": _given_back,
    "segment": areas,
    "sequence": _at_the_end,
}
"""Of every task that is no label: what makes answers of what the net said."""
