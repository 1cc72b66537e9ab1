"""Several nets that answer together: the mean of their probabilities or numbers, and how much they disagree.

Deep ensembles (Lakshminarayanan, Pritzel & Blundell, arXiv:1612.01474); the disagreement is the mutual information of
answer and member (Depeweg et al., arXiv:1710.07283); of numbers it is their standard deviation. M members, N pictures,
K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hubel.checkpoint import Classifier, check_classes
from hubel.checkpoint.trust import ACCEPTED
from hubel.data.manifest import Problem
from hubel.deploy.prediction import Prediction, Predictions, classify, gather
from hubel.errors import ArtefactError, DataError
from hubel.metrics.probability import disagreements, spread_of
from hubel.tasks.answers import Answers, say_labels
from hubel.words import in_figures, plural


def classify_together(members: Sequence[Classifier], pictures: Any, **settings: Any) -> Predictions:
    """What several nets say together; `pictures` and `settings` as of `hubel.deploy.prediction.classify`.

    The classes are those of the first; each member may number them otherwise and see pictures in its own size. A
    picture that one of them cannot read is answered by none. Raises ArtefactError for members of other classes, or of
    which some predict numbers and others name classes.
    """
    if len({bool(member.class_names) for member in members}) > 1:
        raise ArtefactError(
            "some of these nets predict a number and others name classes: these have no mean",
            hint="ask them one by one, or nets of one kind together",
        )
    kept, problems = _each(members, pictures, settings, lambda member, items: classify(member, items, **settings))
    together = Predictions(_mean(answers) for answers in zip(*kept, strict=True))
    together.problems = problems
    return together


def say_together(
    members: Sequence[Classifier],
    pictures: Any,
    ask: Callable[[Classifier, Any], Answers],
    *,
    follow_links: bool = False,
) -> Answers:
    """The same of nets that say several labels: the mean of the probabilities of each label, said where it reaches the
    mean of the members' thresholds; and label by label how much they disagree. `ask` gives what one of them answers.
    """
    first = members[0]
    kept, problems = _each(members, pictures, {"follow_links": follow_links}, ask)
    names = [answer.name for answer in kept[0]]
    each_MNK = np.array([[[a.numbers[name] for name in first.class_names] for a in said] for said in kept])
    limits = [dict(zip(each.class_names, each.label_thresholds.tolist(), strict=True)) for each in members]
    mean = np.array([np.mean([each[name] for each in limits]) for name in first.class_names])
    apart_NK = disagreements(np.stack([1 - each_MNK, each_MNK], axis=-1).reshape(len(members), -1, 2))
    rows = apart_NK.reshape(each_MNK.shape[1:]).tolist()
    # NaN where one of them cannot tell, so that nothing is told.
    familiar = np.mean([[answer.familiarity for answer in said] for said in kept], axis=0)
    told = say_labels(
        names, each_MNK.mean(axis=0), first.class_names, mean, familiarity=familiar, border=1 - ACCEPTED
    )  # fmt: skip
    together = Answers(
        replace(answer, disagreement=dict(zip(first.class_names, row, strict=True)))
        for answer, row in zip(told, rows, strict=True)
    )
    together.problems = problems
    return together


def _each(
    members: Sequence[Classifier], pictures: Any, settings: Mapping[str, Any], ask: Callable[[Classifier, Any], Any]
) -> tuple[list[list[Any]], tuple[Problem, ...]]:
    """What each member says of the pictures that all of them can read, and what one of them cannot."""
    first, *others = members
    for number, member in enumerate(others, start=2):
        check_classes(
            sorted(first.class_names), sorted(member.class_names), what=f"net {number} of {plural(len(members), 'net')}"
        )
    items = pictures
    if first.preprocessing is not None:  # what can be read once only is read once
        links = bool(settings.get("follow_links"))
        items = list(gather(pictures, [], follow_links=links)) or pictures
    found = [ask(member, items) for member in members]
    problems = {problem.path: problem for answers in found for problem in answers.problems}
    kept = [[answer for answer in answers if answer.name not in problems] for answers in found]
    if not kept[0] or any([a.name for a in answers] != [a.name for a in kept[0]] for answers in kept):
        raise DataError(
            "there is no picture that all of these nets can read", hint="ask them one by one: hubel predict RUN PICTURE"
        )
    return kept, tuple(problems.values())


def _mean(answers: Sequence[Prediction]) -> Prediction:
    """What the members say of one picture, as one."""
    if not answers[0].probabilities:
        values = np.array([answer.value for answer in answers])
        middle = float(values.mean())
        return replace(
            answers[0], label=in_figures(middle), value=middle, disagreement=float(spread_of(values[:, None])[0])
        )
    names = list(answers[0].probabilities)
    shares = np.array([[answer.probabilities[name] for name in names] for answer in answers])
    mean = shares.mean(axis=0)
    best = int(mean.argmax())
    familiar = float(np.mean([answer.familiarity for answer in answers]))
    return replace(
        answers[0],
        label=names[best],
        probability=float(mean[best]),
        probabilities=dict(zip(names, mean.tolist(), strict=True)),
        known=None if np.isnan(familiar) else familiar >= 1 - ACCEPTED,
        familiarity=familiar,
        plausible=(),
        disagreement=disagreement(shares),
    )


def disagreement(shares_MK: np.ndarray) -> float:
    """Mutual information of answer and member, in nats: entropy of the mean minus the mean entropy; 0 if all agree.

    >>> disagreement(np.array([[0.9, 0.1], [0.9, 0.1]]))
    0.0
    >>> round(disagreement(np.array([[1.0, 0.0], [0.0, 1.0]])), 4)  # log 2
    0.6931
    """
    return float(disagreements(shares_MK[:, None])[0])
