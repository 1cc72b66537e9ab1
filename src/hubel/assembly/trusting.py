"""After a training: how far the net's answers can be trusted, learnt from the validation split.

A temperature, or another map where one serves better, makes the probabilities of one class honest; limits make sets
that hold the truth 95 times in 100; and a mixture of scores tells what is unlike anything it was shown, whether one
class is named or several labels. The mixture is chosen by how well it tells the validation pictures from strange ones
made of training pictures, and from corrupted ones; the test split takes no part.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import torch

from hubel.assembly.afterwards import learn_afterwards
from hubel.assembly.prepare import Prepared
from hubel.assembly.seeing import Look, Seen
from hubel.assembly.strangers import COST, given_strangers, make_strange, some_of
from hubel.checkpoint import Classifier
from hubel.checkpoint.trust import ACCEPTED, STEPS, Trust, averaged, save_trust
from hubel.data.folders import STRANGERS
from hubel.data.strange import BLENDED, CORRUPTED
from hubel.metrics.calibrators import choose_calibrator
from hubel.metrics.probability import ece, log_loss, log_softmax
from hubel.metrics.sets import KINDS as SETS
from hubel.metrics.sets import coins, fit_sets
from hubel.metrics.strangeness import OF_FEATURES, OF_LOGITS, OF_ONE_CLASS, familiar, separation, strangeness
from hubel.store import RunStore
from hubel.training.loop import forward_precision
from hubel.watching import SILENT, Watcher
from hubel.words import plural

FEWEST = 30
"""Validation samples below which nothing is learnt from them."""
SHARE = 0.03
"""Of the training's passes through the net that this may take; the validation split is looked at in any case."""
MOST_SHOWN, FEWEST_SHOWN = 1_000, 200
"""Training pictures that stand for what is familiar; one look at each will do."""
MOST_STRANGE, FEWEST_STRANGE = 200, 16
"""Strange pictures of each kind."""
EXAMINED = 2_000
"""Samples at most that show how it holds elsewhere."""
ROUNDING = 1e-4
"""Of the largest logit: an energy below that is 0, and what tells samples apart in it is how sums are rounded."""
CLEARLY = 0.02
"""What a mixture of fewer scores must be better by, in the sum of mean and worst AUROC."""


def trusted(
    store: RunStore, classifier: Classifier, prepared: Prepared, device: torch.device, epochs: int, watch: Watcher
) -> tuple[Classifier, str]:
    """The classifier with what was learnt about its answers, which is kept beside its weights; else why nothing was."""
    classifier = learn_afterwards(store, classifier, prepared, device, watch)
    trust, why_not = learn_trust(classifier, prepared, device, epochs, watch)
    if trust is None:
        if classifier.class_names and not classifier.method and (classifier.labels or classifier.several):
            watch.remark(why_not)
        return classifier, why_not
    save_trust(store, "best", trust, classifier.provenance.sha256)
    return replace(classifier, trust=trust), ""


def look_closely(classifier: Classifier, prepared: Prepared, device: torch.device, rows: np.ndarray) -> Seen | None:
    """What the net says of the samples it is measured on, in one pass for all that asks; None where it has no trust."""
    return None if classifier.trust is None else Look(classifier, prepared.decoded, device).closely(rows)


def trust_facts(
    classifier: Classifier, why_not: str, prepared: Prepared, split: str, seen: Seen | None
) -> dict[str, Any]:
    """What is said of it in summary and report: how it was learnt, and how it holds on what was `seen` of the split."""
    trust = classifier.trust
    if trust is None:
        return {"note": why_not}
    found: dict[str, Any] = {"scores": sorted(trust.scores), **trust.facts}
    if not classifier.several:
        how = trust.calibrator
        found |= {"temperature": how.temperature, "calibration": how.kind, "words": how.words}
    if split == "test" and seen is not None:
        labels = None if classifier.several else prepared.manifest.labels[prepared.splits.ids(split)]
        found["test"] = measured(trust, seen, labels)
    return found


def learn_trust(
    classifier: Classifier, prepared: Prepared, device: torch.device, epochs: int, watch: Watcher = SILENT
) -> tuple[Trust | None, str]:
    """What was learnt, or None and why not. `epochs` is how long was trained: this takes a small share of that.

    `watch` is told what was made of a folder of strangers beside the classes.

    It counts passes, not seconds, so that the same training ends in the same trust; and they are as coarse as those of
    the training, since what is learnt here (a temperature, a border) is far coarser than any rounding.
    """
    rows = prepared.splits.ids("val")
    if not classifier.class_names or classifier.method or not (classifier.labels or classifier.several):
        return None, "only a net that names classes has probabilities to be made honest"
    if classifier.several and classifier.preprocessing is None:
        return None, "whether it knows what it is shown is told of pictures only"
    if classifier.several and len(rows) < FEWEST:
        return None, (
            f"whether a picture is known is not told: {plural(len(rows), 'validation sample')} "
            f"{'is' if len(rows) == 1 else 'are'} too few to learn it from, {FEWEST} would do"
        )
    if len(rows) < FEWEST:
        unused = any(problem.kind == "strangers" for problem in prepared.scan.problems)
        return None, (
            f"its probabilities are as the net gives them: {plural(len(rows), 'validation sample')} "
            f"{'is' if len(rows) == 1 else 'are'} too few to make them honest by, {FEWEST} would do"
            f"{'; nor was anything learnt from the folder of strangers' if unused else ''}"
        )
    look = Look(
        classifier, prepared.decoded, device, forward_precision(prepared.recipe.train.precision or "auto", device)
    )
    logits, features = look.at(rows)
    # A step costs three passes; a head learns from what one pass has kept.
    passes = 1 if prepared.recipe.transfer.unfreeze == "head" else 3 * epochs
    affordable = SHARE * passes * prepared.samples - look.passes * len(rows)
    if classifier.several:  # each label has a threshold on what the net says as it is
        bare = Trust(facts={"samples": len(rows)})
        return _knowing(bare, prepared, look, affordable, (logits, features), given_strangers(prepared, watch)), ""
    labels = prepared.manifest.labels[rows]
    chosen = choose_calibrator(logits, labels)
    how = chosen.calibrator
    honest = how(logits)
    facts: dict[str, float | int | str | bool | None] = {
        "samples": len(rows),
        "ece_before": ece(logits, labels),
        "ece_after": ece(honest, labels),
        "log_loss_before": log_loss(logits, labels),
        "log_loss_after": log_loss(honest, labels),
        "chosen": chosen.why,
        **{f"tried_{kind}": value for kind, value in chosen.losses.items()},
    }
    sets = fit_sets(honest, labels, coins(logits), ACCEPTED)
    facts["set_size"] = float(sets.within(np.exp(log_softmax(honest))).sum(axis=1).mean())
    plain = Trust(calibrator=how, sets=sets, facts=facts)
    if classifier.preprocessing is None:
        return plain, ""
    return _knowing(plain, prepared, look, affordable, (logits, features), given_strangers(prepared, watch)), ""


def measured(trust: Trust, seen: Seen, labels: np.ndarray | None) -> dict[str, Any]:
    """How what was learnt holds on other samples, `EXAMINED` of them at most: for summary and report.

    Without `labels`, of a net that does not name one class of each, how many it knows.
    """
    rows = np.sort(some_of(np.arange(len(seen.logits)), EXAMINED, np.random.default_rng(0)))
    logits, features = seen.logits[rows], None if seen.features is None else seen.features[rows]
    known = trust.familiarity(logits, features) >= 1 - ACCEPTED
    if labels is None:
        return {"samples": len(rows), "known": float(known.mean()) if trust.knows else None}
    labels = labels[rows]
    honest = trust.calibrator(logits)
    shares, coin = np.exp(log_softmax(honest)), coins(logits)
    inside = {kind: trust.sets.within(shares, kind, coin) for kind in SETS if not trust.sets.lacks(kind)}
    held = {kind: each[np.arange(len(rows)), labels] for kind, each in inside.items()}
    return {
        "samples": len(rows),
        "ece_before": ece(logits, labels),
        "ece_after": ece(honest, labels),
        "coverage": float(held["lac"].mean()),
        "set_size": float(inside["lac"].sum(axis=1).mean()),
        "sets": {
            kind: {
                "coverage": float(each.mean()),
                "size": float(inside[kind].sum(axis=1).mean()),
                "worst_class": float(min(each[labels == k].mean() for k in np.unique(labels))),
            }
            for kind, each in held.items()
        },
        "known": float(known.mean()) if trust.knows else None,
    }


def _knowing(
    plain: Trust, prepared: Prepared, look: Look, affordable: float, usual: tuple[np.ndarray, np.ndarray | None],
    given: np.ndarray | None,
) -> Trust:  # fmt: skip
    """The same, able to tell what is strange, in `affordable` passes and those that the `given` strangers take.

    Every second of those helps to choose, and the others show how well they are told.
    """
    rows = prepared.ids("train")
    draw = np.random.default_rng(0)
    shown = some_of(rows, int(np.clip(affordable * 0.4, FEWEST_SHOWN, MOST_SHOWN)), draw)
    each = int(np.clip(affordable * 0.6 / COST / look.passes, FEWEST_STRANGE, MOST_STRANGE))
    seen = None
    if usual[1] is not None and len(shown) > 2:
        logits, features = look.at(shown, views="none")
        assert features is not None
        # Labels that may hold together are no classes to be near to: what is near is the middle of all.
        groups = np.zeros(len(shown), np.int64) if look.several else prepared.manifest.labels[shown]
        seen = familiar(features, groups, logits)
    known = strangeness(*usual, seen)
    if np.abs(known["energy"]).max() < ROUNDING * max(1.0, float(np.abs(usual[0]).max())):
        del known["energy"]  # of log-probabilities, as the mean of several nets is: nothing but rounding
    if look.several:  # nor does it tell anything how sure a label is: of noise several may be, of a usual picture none
        fit = OF_LOGITS if seen is None else OF_FEATURES
        known = {name: values for name, values in known.items() if name in fit and name not in OF_ONE_CLASS}
    made = make_strange(prepared.decoded.images, rows, prepared.splits.ids("val"), each, draw)
    odd = {
        name: strangeness(*look.at_pictures(pictures), seen)
        for name, pictures in made
        if not (look.several and name == BLENDED)  # two at once show the labels of both: nothing strange there
    }
    rest = None
    if given is not None:
        odd[STRANGERS] = strangeness(*look.at_pictures(given[::2]), seen)
        rest = strangeness(*look.at_pictures(given[1::2]), seen)
    scales = {name: scale_of(values) for name, values in known.items()}
    chosen, apart = best_of(known, odd, scales)
    combined = averaged(known, chosen)
    facts = dict(plain.facts) | {f"separation_{name}": value for name, value in apart.items()}
    if given is not None and rest is not None:
        facts[f"separation_{STRANGERS}"] = separation(combined, averaged(rest, chosen))
        facts["strangers"] = len(given)
    needs = seen if any(name not in OF_LOGITS for name in chosen) else None
    usual_steps = np.quantile(combined, np.linspace(0, 1, min(STEPS, len(combined)), endpoint=False))
    return Trust(
        calibrator=plain.calibrator,
        sets=plain.sets,
        scores=chosen,
        usual=usual_steps,
        familiar=needs,
        facts=facts,
    )


def scale_of(values: np.ndarray) -> tuple[float, float]:
    """Middle, and how far the strangest twentieth begins from it."""
    middle, high = np.quantile(values, [0.5, ACCEPTED])
    return float(middle), float(max(high - middle, 1e-9))


def best_of(
    known: dict[str, np.ndarray], odd: dict[str, dict[str, np.ndarray]], scales: dict[str, tuple[float, float]]
) -> tuple[dict[str, tuple[float, float]], dict[str, float]]:
    """The scores whose mean tells strange pictures best, the worst kind counting as all together; how well it does.

    Corrupted pictures are no worst kind, since many are still what they were. Strangers that were given count as much
    again as both: they are what the net will meet.
    """
    best: tuple[float, dict[str, tuple[float, float]], dict[str, float]] | None = None
    for count in range(len(scales), 0, -1):  # of equals the larger mixture: it depends on no single score
        for names in combinations(scales, count):
            mixture = {name: scales[name] for name in names}
            usual = averaged(known, mixture)
            apart = {kind: separation(usual, averaged(values, mixture)) for kind, values in odd.items()}
            worst = min(value for kind, value in apart.items() if kind != CORRUPTED)
            worth = float(np.mean(list(apart.values()))) + worst + 2 * apart.get(STRANGERS, 0.0)
            if best is None or worth > best[0] + CLEARLY:
                best = (worth, mixture, apart)
    assert best is not None
    return best[1], best[2]
