"""Several nets that answer together: the mean of their probabilities, and how much they disagree.

Deep ensembles (Lakshminarayanan, Pritzel & Blundell, arXiv:1612.01474); the disagreement is the mutual information of
answer and member (Depeweg et al., arXiv:1710.07283). M members, N pictures, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import entr

from hubel.checkpoint import Classifier, check_classes
from hubel.checkpoint.trust import ACCEPTED
from hubel.deploy.prediction import Prediction, Predictions, classify, gather
from hubel.errors import ArtefactError, DataError
from hubel.words import plural


def classify_together(members: Sequence[Classifier], pictures: Any, **settings: Any) -> Predictions:
    """What several nets say together; `pictures` and `settings` as of `hubel.deploy.prediction.classify`.

    The classes are those of the first; each member may number them otherwise and see pictures in its own size. A
    picture that one of them cannot read is answered by none. Raises ArtefactError for members of other classes, or that
    predict numbers.
    """
    first, *others = members
    if not all(member.class_names for member in members):
        raise ArtefactError("a net among these predicts a number, which has no probability", hint="leave it out")
    for number, member in enumerate(others, start=2):
        check_classes(
            sorted(first.class_names), sorted(member.class_names), what=f"net {number} of {plural(len(members), 'net')}"
        )
    items = pictures
    if first.preprocessing is not None:  # what can be read once only is read once
        links = bool(settings.get("follow_links"))
        items = list(gather(pictures, [], follow_links=links)) or pictures
    found = [classify(member, items, **settings) for member in members]
    problems = {problem.path: problem for answers in found for problem in answers.problems}
    kept = [[answer for answer in answers if answer.name not in problems] for answers in found]
    if not kept[0] or any([a.name for a in answers] != [a.name for a in kept[0]] for answers in kept):
        raise DataError(
            "there is no picture that all of these nets can read", hint="ask them one by one: hubel predict RUN PICTURE"
        )
    together = Predictions(_mean(answers) for answers in zip(*kept, strict=True))
    together.problems = tuple(problems.values())
    return together


def _mean(answers: Sequence[Prediction]) -> Prediction:
    """What the members say of one picture, as one."""
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
    return max(0.0, float(entr(shares_MK.mean(axis=0)).sum() - entr(shares_MK).sum(axis=1).mean()))
