"""What to do with the time that a fitted head leaves: train a second net in which everything learns.

A head on a frozen net is fitted within a minute or two. Where the user has allowed more, a second net starts at the
same place, learns as a whole until the time is over, and answers together with the first: what it sees is made for
these pictures, what the first sees for a million others, and so they err at different ones. Both say as much, unless
one alone is ahead on the validation samples by more than chance (`hubel.assembly.transfer.beside`).
"""

from __future__ import annotations

from math import ceil
from typing import Any

from hubel.assembly.transfer.plan import COST
from hubel.assembly.transfer.start import transferred
from hubel.models.pretrained import DEFAULT
from hubel.recipes.continuing import asked
from hubel.recipes.schema import Recipe, compose, read_file
from hubel.store import RunStore
from hubel.watching import SILENT, Watcher
from hubel.words import duration

FEWEST, MOST = 5, 30
"""Epochs below which a second net is not worth its time, and above which more seldom help."""
LOOKS, REPORTS = 8, 10.0
"""Passes of validation and test samples through a frozen net that measuring and joining take in all, and the seconds
that reports take."""
CHANCE = 4
"""Validation samples on which one net alone must be ahead of both to be more than luck: where d of them differ, all to
its favour, the standard error is √d, and d > 2 √d from there on."""
SETTINGS: dict[str, Any] = {
    "layer_decay": 1.0, "lr": 1e-3, "label_smoothing": 0.1, "augment": "flip,resized-crop=0.35",
}  # fmt: skip
"""How everything learns where the user has not said otherwise; compared in benchmarks/time_left.py."""
LARGEST, SMALLEST, STEPS = 32, 16, 8
"""Samples of a batch at most and at least, and between them so many that an epoch has this many steps. What steps of a
net keep in memory grows with them, of 224 pixels and EfficientNet-Lite0 about 75 MB each (hubel summary --training);
the statistics of fewer say little."""


def second(recipe: Recipe, store: RunStore, spent: float, watch: Watcher = SILENT) -> Recipe | None:
    """The recipe of a second net beside the run in `store`, which took `spent` seconds of the time of `recipe`.

    None where the user has not said how long all may take, or has said what learns; where the first net was not fitted
    as a head to what a frozen one sees of pictures with a class each; where none were kept to validate by; where too
    little time is left. The last two are told, since the user has asked for the time to be used.
    """
    if recipe.train.time is None or transferred(recipe) or not store.exists("transfer.json"):
        return None
    facts, samples = store.read_json("transfer.json"), store.read_json("data.json")["samples"]
    looking = facts.get("seconds_a_sample", 0.0)
    if facts["unfreeze"] != "head" or not looking:
        return None
    if samples["val"] < 2:
        watch.remark("no second net is trained in the time left: no validation samples were kept to judge both by")
        return None
    left = recipe.train.time - spent - REPORTS - LOOKS * looking * (samples["val"] + samples["test"])
    epoch = COST["all"] * looking * samples["train"]
    epochs = left / epoch
    if epochs < FEWEST:
        enough = ceil((recipe.train.time - left + FEWEST * epoch) / 60)
        watch.remark(
            f"no second net is trained in the {duration(max(0.0, recipe.train.time - spent))} left: {FEWEST} epochs of "
            f"it and reports would take longer (--time {enough}m would do)"
        )
        return None
    said = asked(recipe)
    settings = {name: value for name, value in SETTINGS.items() if name not in said}
    mirrored = compose(read_file(store.path("config.yaml"))).augment.augment or ()
    if "augment" in settings and not any("flip" in part for part in mirrored):  # mirrored, these are other things
        settings["augment"] = ",".join(part for part in SETTINGS["augment"].split(",") if "flip" not in part)
    if "batch_size" not in said:
        settings["batch_size"] = min(LARGEST, max(SMALLEST, samples["train"] // STEPS), samples["train"])
    if epochs > 2 * MOST and "epochs" not in said:
        settings["epochs"] = MOST
    start = recipe.transfer.from_ or DEFAULT
    return recipe.change(**settings, from_=start, unfreeze="all", time=left, compare_start=False)


def is_ahead(alone: RunStore, joined: RunStore) -> bool:
    """Does one net alone name more validation samples right than both together, by more than chance?"""
    one, both = (store.read_json("summary.json")["best"]["val_accuracy"] for store in (alone, joined))
    return round((one - both) * joined.read_json("data.json")["samples"]["val"]) > CHANCE
