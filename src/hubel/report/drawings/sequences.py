"""What a report says of answers step by step: parts of its page."""

from __future__ import annotations

import numpy as np

from hubel.evaluation.sequences import SHOWN, SequenceClasses, SequenceNumbers
from hubel.figures.bars import bars
from hubel.figures.curves import curves
from hubel.report.drawings.part import Part
from hubel.words import in_full, percent


def draw_classes(result: SequenceClasses) -> tuple[Part, ...]:
    """Class by class, and when it is known."""
    rows, steps = result.by_class(), result.by_step()
    asked = "at the end of each series" if result.whole else "at each step that is asked"
    when = (
        "Only the answer after the last step was ever learnt. How often the right class is said already after fewer "
        "steps shows how much of a series it takes to know."
        if result.whole
        else "How often the answer at each step is right: at first there is little to go by."
    )
    return (
        Part(
            title="Class by class",
            text=f"How often a class is told, {asked}.",
            figures={"by_class": bars([row[2] for row in rows[:30]], [row[0] for row in rows[:30]],
                                      title="right", share=True)},
            head=("class", "right", "asked"),
            rows=[(name, percent(share, 1), f"{count:,}") for name, count, share in rows],
        ),
        Part(
            title="Step by step",
            text=when,
            figures={"by_step": curves({"right": steps.tolist()}, title="right after so many steps", x_label="step",
                                       share=True, width=520)},
        ),
    )  # fmt: skip


def draw_numbers(result: SequenceNumbers) -> tuple[Part, ...]:
    """Column by column beside the simple rule, and three series with what is told of them."""
    costs = np.nanmean(np.square(result.said - result.truth), axis=1)[:, 0]
    order = np.argsort(costs, kind="stable")
    places = dict.fromkeys([int(order[0]), int(order[len(order) // 2]), int(order[-1])])
    words = ("told best", "in the middle", "told worst")[:SHOWN]
    figures = {}
    for word, place in zip(words, places, strict=False):
        lines = {"true": result.truth[place, :, 0], "told": result.said[place, :, 0]}
        lines["told"] = np.where(np.isfinite(lines["true"]), lines["told"], np.nan)
        title = f"{word}: {result.names[0]}, {result.titles[place]}"
        figures[word.replace(" ", "_")] = curves(
            {name: values.tolist() for name, values in lines.items()}, title=title, x_label="step", steep=False,
            width=520,
        )  # fmt: skip
    return (
        Part(
            title="Beside a simple rule",
            text=f"Root of the mean squared error of each column, in the units of the table. The simple rule is "
            f"{result.rule}: a net that does not beat it has learnt nothing that helps.",
            head=("column", "RMSE", "simple rule"),
            rows=[(name, in_full(mine), in_full(simple)) for name, mine, simple in result.by_name()],
        ),
        Part(
            title="True and told",
            text=f"{'The next step as it came and as it was foretold' if result.foretold else 'The target as it is'}"
            f"{'' if result.foretold else ' and as it is told'}, of the series that are told best, in the middle and "
            "worst.",
            figures=figures,
        ),
    )
