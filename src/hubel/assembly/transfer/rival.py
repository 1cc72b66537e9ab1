"""The small net that would be trained from nothing, tried for a moment: does it do better than a trained net's eyes?

Where pictures are no photographs (letters, diagrams, patterns that a machine draws), what a net has learnt from a
million photographs may be worth little, and a small net learns all there is from the pictures alone. Then it shows at
once: after a few epochs on a few of them, made small, it tells the classes apart better than a linear classifier on
what the trained net sees. Both are judged on samples that they have not learnt from: this one on the validation split
(three in ten of them where there are few), the other by cross-validation. No clock is looked at, so that the same data
lead to the same choice.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

from hubel import runtime
from hubel.assembly.build import build
from hubel.assembly.prepare import prepare
from hubel.assembly.sight import geometry
from hubel.assembly.wire import assemble
from hubel.events import EpochDone
from hubel.recipes.schema import Recipe
from hubel.records.own_data import open_data
from hubel.training.loop import NonFinite, fit
from hubel.training.transfer import noise
from hubel.watching import Watcher

SAMPLES, EPOCHS, SIDE = 1_000, 8, 32
"""The small net learns from so many pictures at most, so often, and sees so many pixels a side at most."""
FEWEST = 60
"""Training samples below which the validation samples would tell no difference that a net can make."""
FEW, HELD_OUT = 400, 0.3
"""Training samples below which this share of all is held out to judge by: a tenth would be too few."""
HOPELESS = {1: 0.5, 2: 0.35, 4: 0.15}
"""By how much the trained net must be ahead after so many epochs for the others to be saved."""
SURELY = 2.0
"""Standard errors of the difference by which the small net must be ahead: the trained one learns better, as a rule."""
OUTDONE = "a small net of its own soon tells these pictures apart better"


def outdone(asked: Recipe, facts: dict[str, Any], watch: Watcher) -> str:
    """Why the trained net is outdone; "" where it is not. What was found is written into `facts` of its study."""
    accuracies = [each["accuracy"] for each in facts.get("probes", ())] + [facts.get("together") or 0.0]
    best, measured_on = max(accuracies), int(facts.get("probed_on", 0))
    if measured_on < FEWEST or not _ahead(1.0, measured_on, best, measured_on):
        return ""
    watch.stage("trying a small net from nothing")
    own, judged_on = learn_briefly(asked, best, measured_on)
    facts["rival"] = {"accuracy": own, "judged_on": judged_on}
    if not judged_on or not _ahead(own, judged_on, best, measured_on):
        return ""
    return f"{OUTDONE} ({own:.1%} against {best:.1%})"


def _ahead(own: float, judged_on: int, best: float, measured_on: int) -> bool:
    """Is the small net ahead of `best` by more than chance?"""
    return own - best > SURELY * math.hypot(noise(own, judged_on), noise(best, measured_on))


def learn_briefly(asked: Recipe, best: float, measured_on: int) -> tuple[float, int]:
    """Validation accuracy of the recipe's own net after a few epochs on a few pictures, and on how many samples.

    It is given up where it is far from `best` (`HOPELESS`), and has shown enough where it is surely ahead.
    """
    limit = min(SAMPLES, asked.data.limit or SAMPLES)
    brief = asked.change(from_=None, limit=limit, epochs=EPOCHS, time=None, target=None, patience=None)
    if asked.train.precision == "auto" and runtime.has_quick_bf16(runtime.pick_device(asked.train.device)):
        brief = brief.change(precision="bf16")  # a few points are told apart in coarse numbers, too, and sooner
    listed = open_data(brief)
    few, divided = (listed.given_split == "").sum() < FEW, "val" in listed.given_split
    if few and not divided and asked.data.val_fraction is None:
        brief = brief.change(val_fraction=min(HELD_OUT, (1 - asked.data.test_fraction) / 2))
    own, _ = geometry(brief, listed)
    prepared = prepare(brief.change(img_size=SIDE) if min(own.height, own.width) > SIDE else brief)
    judged_on = len(prepared.splits.val)
    if not judged_on:
        return 0.0, 0
    model, _ = build(prepared)
    found = 0.0
    with suppress(NonFinite):
        for event in fit(assemble(prepared.recipe, prepared, model)):
            if isinstance(event, EpochDone):
                found = max(found, float(event.row.get("val_accuracy", 0.0)))
                hopeless = best - found > HOPELESS.get(event.epoch + 1, 1.0)
                if hopeless or _ahead(found, judged_on, best, measured_on):
                    break
    return found, judged_on
