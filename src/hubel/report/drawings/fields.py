"""What a report says of a net that holds one picture: parts of its page."""

from __future__ import annotations

import numpy as np

from hubel.evaluation.fields import PictureField
from hubel.figures.areas import areas
from hubel.report.drawings.part import Part
from hubel.words import number


def draw_field(result: PictureField) -> tuple[Part, ...]:
    """The picture and the function beside it, with their slopes and bends; and where it is off."""
    columns = []
    for place, picture in enumerate((result.picture, result.answer)):
        columns.append([picture, _shade(result.gradients[place], result.gradients[0], False),
                        _shade(result.laplacians[place], result.laplacians[0], True)])  # fmt: skip
    off = np.sqrt(result.errors)
    return (
        Part(
            title="The picture and the function",
            text="Above the picture with the slopes between its pixels (length of the gradient) and their bends "
            "(Laplacian: dark and light are the two directions), below the net with its exact derivatives, on the same "
            "scales. It was shown colours only: slopes and bends that agree say that it is the right function, and not "
            f"only right at the pixels. Correlations: slopes {_agreeing(result.slopes)}, "
            f"bends {_agreeing(result.bends)}.",
            figures={
                "field": areas(
                    [("picture", columns[0]), ("net", columns[1])],
                    (),
                    labels=["colour", "gradient", "Laplacian"],
                    side=224,
                    alt="The picture, its gradient and its Laplacian, above those of the net.",
                )
            },
        ),
        Part(
            title="Where it is off",
            text=f"The error of each pixel, white from {number(float(np.quantile(off, 0.999)))} of the way from black "
            "to white on. What is left lies where the picture changes fastest.",
            figures={
                "off": areas(
                    [("error", [_shade(off, off, False)])], (), side=224, alt="The error of each pixel of the picture."
                )
            },
        ),
    )


def _shade(values: np.ndarray, scale: np.ndarray, signed: bool) -> np.ndarray:
    """H W uint8: 0 is black, or middle grey where values have signs; `scale` says how much is white."""
    most = max(float(np.quantile(np.abs(scale), 0.99 if signed else 0.999)), 1e-9)
    shares = values / most
    return np.asarray((255 * (shares / 2 + 0.5 if signed else shares).clip(0, 1)).round(), dtype=np.uint8)


def _agreeing(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "none, since one of both is flat"
