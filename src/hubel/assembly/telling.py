"""What is said of the data before anything is learnt from them: what the scan found, and what labels are good for."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence

from hubel.data.choose import tell_levels
from hubel.data.decode import Decoded
from hubel.data.folds import folded, thinned
from hubel.data.keeping import prepare_kept
from hubel.data.manifest import Manifest, Problem, leaks
from hubel.data.preprocessing import Preprocessing
from hubel.data.scan import Scan
from hubel.data.splits import Splits, split, unmeasured
from hubel.data.unlabelled import Known
from hubel.recipes.chosen import Chosen
from hubel.recipes.schema import Recipe
from hubel.records.own_data import ONE_PICTURE, SERIES, without_classes
from hubel.watching import Watcher
from hubel.words import plural


def tell_problems(scanned: Scan, recipe: Recipe, watch: Watcher, shown: int = 3) -> None:
    """The first few problems of the scan as remarks, and where to find the others."""
    if count := len(scanned.manifest.edits):
        watch.remark(
            f"{plural(count, 'edit')} of the labels {'is' if count == 1 else 'are'} used: "
            f"hubel edit {shlex.quote(recipe.data.data)} log"
        )
    if said := leaks(scanned.problems):
        watch.remark(f"leak: {said}")
    for problem in one_of_each(scanned.problems)[:shown]:
        watch.remark(f"{problem.path}: {problem.reason}" + (" (left out)" if problem.left_out else ""))
    if len(scanned.problems) > shown:
        where = "in the report" if recipe.train.task in (*SERIES, *ONE_PICTURE) else f"hubel data {recipe.data.data}"
        watch.remark(f"and {plural(len(scanned.problems) - shown, 'more remark')}: {where}")


def one_of_each(problems: Sequence[Problem]) -> list[Problem]:
    """Problems in their order, the first of each kind before the second of any, copies last among those: a hundred
    copies hide no typing error.

    >>> kinds = ["duplicate", "duplicate", "class names"]
    >>> [one.path for one in one_of_each([Problem(str(n), kind, "") for n, kind in enumerate(kinds)])]
    ['2', '0', '1']
    """
    seen: Counter[str] = Counter()
    ranks = []
    for problem in problems:
        ranks.append((seen[problem.kind], problem.kind == "duplicate"))
        seen[problem.kind] += 1
    return [problems[k] for k in sorted(range(len(problems)), key=ranks.__getitem__)]


def tell_range(preprocessing: Preprocessing, scanned: Scan, watch: Watcher) -> None:
    """Which range of finer samples becomes black to white, where that is more than 8 bits."""
    levels = tell_levels(preprocessing.levels, {look.mode for look in scanned.looks})
    if levels:
        watch.remark(levels)


def read_pictures(
    listed: Manifest, preprocessing: Preprocessing, chosen: Chosen, watch: Watcher
) -> tuple[Scan, Decoded, Chosen]:
    """Scan and decode; where decoded pictures are kept is said, if not on the disk, and stands in the recipe."""
    recipe = chosen.recipe
    scanned, decoded, kept = prepare_kept(
        listed, preprocessing, keep=recipe.data.cache, workers=recipe.data.workers, progress=watch.progress,
        partial=without_classes(recipe),
    )  # fmt: skip
    if not kept.why:
        return scanned, decoded, chosen
    where = {"memory": "decoded pictures are kept in memory", "none": "pictures are decoded in every epoch"}
    watch.remark(f"{where.get(kept.where, 'decoded pictures are kept on the disk')} (--cache {kept.where}): {kept.why}")
    return scanned, decoded, chosen.take(kept.why, cache=kept.where)


def tell_labels(known: Known | None, splits: Splits, watch: Watcher) -> None:
    """Say that labels are not looked at, and what they are good for all the same."""
    if known is None:
        return
    kept = f"; their {len(splits.test):,} test pictures are not looked at either" if len(splits.test) else ""
    watch.remark(
        f"the data have {len(known.class_names)} classes, which are not learnt from: they only measure the features "
        f"at the end, on validation pictures{kept}"
    )


def divide(recipe: Recipe, manifest: Manifest, watch: Watcher) -> Splits:
    """The split that a recipe asks for, and a word where it leaves something unsaid."""
    part = recipe.data
    assert part.val_fraction is not None
    if part.fold is None:
        splits = split(manifest, val=part.val_fraction, test=part.test_fraction, seed=part.split_seed)
    else:
        number, folds = (int(word) for word in part.fold.split("/"))
        splits = folded(manifest, folds, number, val=part.val_fraction, seed=part.split_seed)
    if part.train_fraction is not None:
        splits = thinned(splits, manifest, part.train_fraction, seed=recipe.train.seed)
    if recipe.pretext.method is None:
        for problem in unmeasured(splits, manifest, val=part.val_fraction, test=part.test_fraction):
            watch.remark(problem.reason)
    return splits
