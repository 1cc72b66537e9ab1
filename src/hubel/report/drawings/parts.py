"""All parts of a kind in one drawing, computed by the parts themselves."""

from __future__ import annotations

from collections.abc import Callable

from hubel.figures.contact_sheet import contact_sheet
from hubel.figures.panels import panels
from hubel.figures.theme import Figure
from hubel.lessons.catalogue import REGISTRIES
from hubel.lessons.curves import activation_curves, loss_curves, schedule_curves
from hubel.lessons.exhibits import augmented_examples, filtered_examples, spreads_by_depth, valley_paths


def draw_activations() -> Figure:
    """Those that look at one number each."""
    registry = REGISTRIES["activations"]
    names = [name for name in registry if registry.get(name).pointwise]
    title = "Activations with their derivatives (sine with ω = 3)"
    return panels(activation_curves(names), title=title, names=("function", "derivative"), y_range=(-2, 4))


def draw_schedules() -> Figure:
    """Factors over a hundred steps."""
    title = "Schedules: factor of the base rate over 100 steps, ten an epoch"
    return panels(schedule_curves(REGISTRIES["schedules"].names()), title=title, columns=5, y_range=(-0.05, 1.05))


def draw_losses() -> Figure:
    """Those of classification, with their slopes."""
    registry = REGISTRIES["losses"]
    names = [name for name in registry if registry.get(name).classifies]
    title = "Losses: over the error (mse, l1, smooth-l1, huber), else over the lead of the right class's logit"
    return panels(loss_curves(names), title=title, names=("loss", "slope"), columns=5, y_range=(-2, 5))


def draw_optimisers() -> Figure:
    """Paths down a long valley."""
    drawings = {name: [path] for name, path in valley_paths().items()}
    title = "Optimisers: 60 steps from (−4, 1) down the valley (x² + 20 y²) / 2, whose floor is (0, 0)"
    return panels(drawings, title=title, columns=5, x_range=(-4.5, 2), y_range=(-1.3, 1.3))


def draw_initialisations() -> Figure:
    """How the values spread from layer to layer."""
    title = "Initialisations: spread of the values after each of 30 dense layers"
    return panels(
        spreads_by_depth(), title=title, names=("with ReLU", "with tanh"), columns=5, y_range=(1e-8, 100), log=True
    )


def draw_augmentations() -> Figure:
    """A row for each."""
    return contact_sheet(augmented_examples(), title="Augmentations: one picture in eight epochs")


def draw_kernels() -> Figure:
    """A row for each."""
    return contact_sheet(filtered_examples(), title="Before, after the kernel")


PICTURES: dict[str, Callable[[], Figure]] = {
    "activations": draw_activations,
    "losses": draw_losses,
    "optimisers": draw_optimisers,
    "schedules": draw_schedules,
    "initialisations": draw_initialisations,
    "augmentations": draw_augmentations,
    "kernels": draw_kernels,
}
