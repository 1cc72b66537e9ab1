"""What a recipe asks for that a head fitted at once, to what a frozen net sees of each picture, cannot give."""

from __future__ import annotations

from hubel.data.augment import mirrors
from hubel.errors import UsageError
from hubel.recipes.schema import Recipe, compose, flatten
from hubel.training.features import MIRROR, PLAIN, views_of
from hubel.watching import Watcher

VARIES = ("robust", "mixup", "cutmix", "jsd")
"""Settings that show the net each picture otherwise in every epoch: who wants them wants more to learn than a head."""
REFUSED: tuple[tuple[str, str, str], ...] = (
    ("sampler", "a head is fitted to all pictures at once here: sampler ({}) would do nothing",
     "--class-weights balanced, or --unfreeze last"),
    ("robust", "a head is fitted to what the net sees of each picture once: robust would vary nothing", ""),
    ("jsd", "a head is fitted to what the net sees of each picture once: jsd would hold nothing together", ""),
    ("mixup", "a head is fitted to what the net sees of each picture once: mixup would mix nothing", ""),
    ("cutmix", "a head is fitted to what the net sees of each picture once: cutmix would mix nothing", ""),
    ("l1", "a head that is fitted has one penalty, the sum of squares: l1 would add nothing",
     "--penalty X in its place, or --unfreeze last"),
    ("l2", "a head that is fitted has a penalty of its own: l2 would add nothing",
     "--penalty X in its place, or --unfreeze last"),
)  # fmt: skip
"""Setting, why it would be idle, and what to do; "": another `--unfreeze`, or none."""
OF_THE_LOOP = (
    "epochs", "patience", "batch_size", "micro_batch", "probe", "optimizer", "lr", "momentum", "betas", "weight_decay",
    "layer_decay", "clip_grad", "ema", "schedule", "schedule_options", "warmup_epochs", "dropout", "dropout_window",
)  # fmt: skip
"""How the loop takes its steps, which there are none of."""


def varied(recipe: Recipe) -> list[str]:
    """Which settings vary pictures so that no net would see one of them twice alike.

    >>> varied(compose({"mixup": 0.2, "augment": "flip"}))
    ['mixup']
    """
    given, usual = flatten(recipe), flatten(compose({}))
    return [name for name in VARIES if given[name] != usual[name]]


def check_fitted(recipe: Recipe) -> None:
    """Raise UsageError for what would change nothing in a head that is fitted, and is asked for to change it."""
    given, usual = flatten(recipe), flatten(compose({}))
    for name, why, hint in REFUSED:
        if given[name] != usual[name]:
            raise UsageError(why.format(given[name]), hint=hint or f"--unfreeze last, or leave --{name} out")


def tell_unused(asked: Recipe, chosen: Recipe, watch: Watcher) -> None:
    """Say which settings that the user gave (`asked`) count for nothing where a head is fitted."""
    given, usual = flatten(asked), flatten(compose({}))
    idle = [name for name in OF_THE_LOOP if given[name] != usual[name]]
    if idle:
        watch.remark(
            f"the head of a frozen net is fitted to its optimum, not learnt in steps: what is said of "
            f"{', '.join(idle)} counts for nothing in it (--unfreeze last: a stage learns, too)"
        )
    chain = chosen.augment.augment or ()
    moved = [one for one in asked.augment.augment or () if one != "none" and not mirrors((one,))]
    still = sum(view in (PLAIN, MIRROR) for view in views_of(9, chain))
    if moved and (chosen.transfer.feature_views or 1) <= still:
        watch.remark(
            f"the head is fitted to what the frozen net sees of pictures that no {', '.join(moved)} has changed "
            f"(--feature-views {still + 1}: some are, too; --unfreeze last: all)"
        )
