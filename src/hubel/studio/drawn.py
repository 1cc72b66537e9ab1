"""What an answer has besides numbers, as pictures of a page: areas over the picture, a picture given back, errors.

Letters: C H W of a picture in its own size, h w of what the net sees.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from hubel.figures.areas import tinted
from hubel.figures.images import to_hwc
from hubel.server.answering import drawn
from hubel.studio.seen import address
from hubel.verbs.predict import Answer, Prediction

SIDE = 512
"""Pixels of the longer side of a picture under areas, at most."""
PNG = "data:image/png;base64,"
Laid = Callable[[np.ndarray, tuple[int, int]], np.ndarray]
"""What is said of each pixel that the net sees, h w, laid over a picture of a size."""


def figures(
    one: Prediction | Answer, seen: np.ndarray, size: tuple[int, int], whole: Callable[[], np.ndarray], laid: Laid
) -> list[dict[str, str]]:
    """Pictures with their words: of an answer with areas, or with a picture; [] of any other.

    `seen` C h w uint8 is what the net saw of a picture of `size`, which `whole` reads again, C H W.
    """
    if isinstance(one, Prediction) or one.picture is None:
        return []
    return _areas(one, whole(), size, laid) if one.picture.ndim == 2 else _given_back(one, seen)


def _areas(one: Answer, picture: np.ndarray, size: tuple[int, int], laid: Laid) -> list[dict[str, str]]:
    assert one.picture is not None
    scale = min(1.0, SIDE / max(size))
    high, wide = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    under = np.asarray(Image.fromarray(to_hwc(picture)).resize((wide, high), Image.Resampling.BOX))
    mask = laid(one.picture, (high, wide))
    classes = len(one.numbers)  # a share of each
    return [
        _figure(address(tinted(under, mask, classes)), "areas over the picture"),
        _figure(PNG + drawn(one, lambda areas: laid(areas, (high, wide)))["mask"], "the mask: a class for each pixel"),
    ]


def _given_back(one: Answer, seen: np.ndarray) -> list[dict[str, str]]:
    assert one.picture is not None
    found = [
        _figure(address(seen), "as the net sees it"),
        _figure(address(one.picture), "given back"),
    ]
    if (off := one.beside.get("errors")) is not None:
        most = int(off.max())
        shown = (off * (255 / max(1, most))).round().astype(np.uint8)
        words = f"where it is off: white is {most / 255:.0%} of the way from black to white" if most else "off nowhere"
        found.append(_figure(address(shown), words))
    return found


def _figure(picture: str, words: str) -> dict[str, str]:
    return {"picture": picture, "words": words}
