"""The small net that would be trained from nothing, tried for a moment: does it do better than a trained net's eyes?

Where pictures are no photographs (letters, diagrams, patterns that a machine draws), what a net has learnt from a
million photographs may be worth little, and a small net learns all there is from the pictures alone. Then it shows at
once: after a few epochs on a few of them it tells the classes apart better than a linear classifier on what the trained
net sees. Both are judged on samples that they have not learnt from: this one on the validation split, the other by
cross-validation. No clock is looked at, so that the same data lead to the same choice.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

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

SAMPLES, EPOCHS, SIDE = 1_000, 8, 64
"""The small net learns from so many pictures at most, so often, and sees so many pixels a side at most."""
ENOUGH = 400
"""Training samples below which a net learns nothing from them alone that would outdo a trained one."""
SURE = 0.985
"""Share that the trained net's eyes tell apart from which on there is nothing to win."""
OUTDONE = "a small net of its own soon tells these pictures apart better"


def outdone(asked: Recipe, facts: dict[str, Any], watch: Watcher) -> str:
    """Why the trained net is outdone; "" where it is not. What was found is written into `facts` of its study."""
    accuracies = [each["accuracy"] for each in facts.get("probes", ())] + [facts.get("together") or 0.0]
    best, measured_on = max(accuracies), int(facts.get("probed_on", 0))
    if measured_on < ENOUGH or best >= SURE:
        return ""
    watch.stage("trying a small net from nothing")
    own, judged_on = learn_briefly(asked)
    facts["rival"] = {"accuracy": own, "judged_on": judged_on}
    if own - best <= noise(own, judged_on):
        return ""
    return f"{OUTDONE} ({own:.1%} against {best:.1%})"


def learn_briefly(asked: Recipe) -> tuple[float, int]:
    """Validation accuracy of the recipe's own net after a few epochs on a few pictures, and on how many samples."""
    limit = min(SAMPLES, asked.data.limit or SAMPLES)
    brief = asked.change(from_=None, limit=limit, epochs=EPOCHS, time=None, target=None, patience=None)
    own, _ = geometry(brief, open_data(brief))
    prepared = prepare(brief.change(img_size=SIDE) if min(own.height, own.width) > SIDE else brief)
    judged_on = len(prepared.splits.val)
    if not judged_on:
        return 0.0, 0
    model, _ = build(prepared)
    best = 0.0
    with suppress(NonFinite):
        for event in fit(assemble(prepared.recipe, prepared, model)):
            if isinstance(event, EpochDone):
                best = max(best, float(event.row.get("val_accuracy", 0.0)))
    return best, judged_on
