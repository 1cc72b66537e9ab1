"""Where a net starts that the user did not choose: from one that has seen a million photographs, where that serves.

Photographs, and few of them: a trained net has learnt what they do not suffice to teach. It is taken where

    the pictures        have 32 pixels a side or more, grey ones 48: what is smaller shows no more than a sign
    their number        is at most 20,000, or 3,000 of less than 48 pixels: more teach a net of their own as much
    the weights         are on this machine: nothing is ever downloaded without being asked
    the small net       that would else be trained does not learn more from the same pictures within seconds

The last one is tried (`rival`), unless there are so few pictures that no difference could be told by them.
`--from none` leaves all of this out.
"""

from __future__ import annotations

from dataclasses import dataclass

from hubel.assembly.asking import asked
from hubel.assembly.transfer.source import Source, adopt, find_source
from hubel.checkpoint.published import at_hand
from hubel.data.choose import choose_preprocessing
from hubel.data.manifest import Manifest
from hubel.data.preprocessing import SOUNDS
from hubel.errors import ArtefactError, UsageError
from hubel.models.pretrained import DEFAULT, published
from hubel.recipes.chosen import Chosen
from hubel.recipes.schema import NOTHING, Recipe
from hubel.records.own_data import open_data
from hubel.runtime import world
from hubel.tasks import TASKS
from hubel.watching import Watcher

COLOUR, GREY = 32, 48
"""Pixels of the shorter side from which on pictures may be photographs: signs and letters are grey, and small."""
TRANSFERRED = ("unfreeze", "head", "penalty", "feature_views", "from_sha256")
"""Settings that mean something only where a trained net is the start."""
MANY, MANY_SMALL = 20_000, 3_000
"""Samples above which a net learns as much from them alone; and where they are smaller than GREY, so that a net of
their own is quick and a trained one sees mostly what enlarging has made up."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where a net starts."""

    chosen: Chosen
    """The recipe with what the source brings, and why."""
    source: Source | None = None
    """None: from nothing."""
    by_default: bool = False
    """Was the source chosen here, and not by the user?"""
    asked: Recipe
    """As the user gave it."""
    advice: str = ""
    """What to install so that the next run starts better; "" where nothing would help."""

    def withdrawn(self, why: str) -> Start:
        """From nothing after all."""
        return Start(asked=self.asked, chosen=Chosen(recipe=self.asked).take(why, from_=None))


def start(recipe: Recipe, watch: Watcher) -> Start:
    """Where the net of a recipe starts: as the recipe says, or chosen from what the data are.

    Raises ArtefactError for a source that is not there, UsageError for one that does not fit the recipe, and for
    settings of a trained start where the net starts from nothing.
    """
    begun = _start(recipe, watch)
    said = transferred(recipe)
    if begun.source is None and said:
        why = "the net starts from nothing" if recipe.transfer.from_ == NOTHING else "none was named or chosen here"
        raise UsageError(
            f"{' and '.join(said)} need{'s' if len(said) == 1 else ''} a trained net to start from, and {why}",
            hint=f"--from RUN, --from {DEFAULT} (hubel models --pretrained), or leave "
            f"{' and '.join('--' + name.replace('_', '-') for name in said)} out",
        )
    return begun


def transferred(recipe: Recipe) -> list[str]:
    """What a recipe says of a trained start beside its name."""
    return [name for name in TRANSFERRED if getattr(recipe.transfer, name) is not None]


def _start(recipe: Recipe, watch: Watcher) -> Start:
    name = recipe.transfer.from_
    if name == NOTHING:
        return Start(asked=recipe, chosen=Chosen(recipe=recipe).take("as asked: from nothing", from_=None))
    if name is not None:
        watch.stage("reading the net to start from")
        source = find_source(name)
        return Start(asked=recipe, chosen=adopt(recipe, source), source=source)
    reason = serves(recipe, watch) if is_open(asked(Chosen(recipe=recipe)).recipe) else ""
    if not reason:
        return Start(asked=recipe, chosen=Chosen(recipe=recipe))
    entry = published(DEFAULT)
    if not at_hand(entry):
        advice = f"{reason}: {entry.model}, which has seen a million, may serve better as a start: {entry.install}"
        return Start(asked=recipe, chosen=Chosen(recipe=recipe), advice=advice)
    watch.stage("reading the net to start from")
    try:
        source = find_source(DEFAULT)
    except ArtefactError as error:  # nobody has asked for it: without it, training goes on
        return Start(
            asked=recipe, chosen=Chosen(recipe=recipe), advice=f"from nothing, since {error.what}: {error.hint}"
        )
    chosen = adopt(recipe.change(from_=DEFAULT), source)
    why = f"{reason}: a net that has seen a million starts near its goal (--from none: from nothing)"
    return Start(asked=recipe, chosen=chosen.change({"from": why}), source=source, by_default=True)


def is_open(recipe: Recipe) -> bool:
    """Does the recipe leave it open which net is trained, and how?"""
    model, data = recipe.model, recipe.data
    said = (
        model.model, model.model_options, model.pretrained, model.initialise, model.zero_residuals,
        recipe.distillation.teacher,  # a student is small
        recipe.pretext.method,
        recipe.train.task is not None and not TASKS.get(recipe.train.task).labels,
    )  # fmt: skip
    size = data.img_size
    sides = (GREY,) if size is None else (size,) if isinstance(size, int) else size
    return not any(said) and recipe.train.preset in (None, "fast") and min(sides) >= GREY and world() == 1


def serves(recipe: Recipe, watch: Watcher) -> str:
    """Why a net that was trained on photographs serves these data; "" where it does not."""
    listed = open_data(recipe, watch)
    return photographs(listed, recipe.data.limit)


def photographs(listed: Manifest, limit: int | None = None) -> str:
    """What is said of pictures that may be photographs, and few; "" for all others.

    >>> from hubel.data.sources import open_source
    >>> photographs(open_source("digits"))
    ''
    """
    if listed.kind == "points" or listed.regression or listed.masks is not None:
        return ""
    learnt = int((listed.given_split != "test").sum())
    count = min(learnt, limit or learnt)
    if count > MANY:
        return ""
    seen = choose_preprocessing(listed)
    side = min(seen.height, seen.width)
    if side < (COLOUR if seen.channels == 3 else GREY) or (side < GREY and count > MANY_SMALL):
        return ""
    return f"{count:,} {'spectrograms of sounds' if seen.takes == SOUNDS else 'pictures that may be photographs'}"
