"""What can be asked of the catalogue of nets: a list of cards, and one card. Loads no torch.

>>> [entry.name for entry in models("resnet1?", sort="params")]
['resnet18']
>>> len(models("vgg")) == len(models("*vgg*")) > 4, models("no such net")
(True, ())
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hubel.errors import unknown
from hubel.models import CARDS, Card, card, list_models
from hubel.models.pretrained import WEIGHTS

__all__ = ["SORTS", "card", "models", "weights"]

# A card that does not know its count (a wrapper, say) comes last.
SORTS: dict[str, Callable[[Card], tuple[object, ...]]] = {
    "name": lambda entry: (entry.name,),
    "year": lambda entry: (entry.year, entry.name),
    "params": lambda entry: (entry.params is None, entry.params or 0, entry.name),
    "macs": lambda entry: (entry.macs is None, entry.macs or 0, entry.name),
}


def models(match: str = "*", *, sort: str = "name", tag: str = "") -> tuple[Card, ...]:
    """The cards whose name fits `match` and that carry `tag`, sorted by one of `SORTS`.

    `match` is a shell pattern, or a part of the name: "vgg". Where no name has that part, titles are searched.
    Raises UnknownName for another way to sort, or a tag that no card carries.
    """
    if sort not in SORTS:
        raise unknown("order", sort, SORTS)
    tags = sorted({word for entry in CARDS.values() for word in entry.tags})
    if tag and tag not in tags:
        raise unknown("tag", tag, tags)
    plain = not set(match) & set("*?[")
    found = [CARDS[name] for name in list_models(f"*{match.lower()}*" if plain else match)]
    if plain and not found:
        found = [entry for entry in CARDS.values() if match.lower() in entry.title.lower()]
    return tuple(sorted((entry for entry in found if not tag or tag in entry.tags), key=SORTS[sort]))


def weights(match: str = "*", *, sort: str = "name", tag: str = "") -> tuple[dict[str, Any], ...]:
    """The published weights of the nets that `models` would list: a row for each file, those of packages first.

    Each row says whether it is "here", on this machine, and else "how" it is had; where it comes "from" (a "package",
    or an address); its licence, its size in "bytes" (of a download to within 1 kB), its "sha256" (of a download the
    first digits, which are all that is published); the "accuracy" that was published (ImageNet top-1 in %), and of how
    many of 100 photographs hubel names the class with it ("of_100_photographs", None where that was not tried); and
    how pictures are brought to the net ("preprocessing", as `hubel.data.preprocessing.Preprocessing` takes it).
    """
    from hubel.checkpoint.published import at_hand, preprocess_as

    order = {entry.name: place for place, entry in enumerate(models(match, sort=sort, tag=tag))}
    found = [entry for entry in WEIGHTS if entry.model in order]
    newest = {entry.model: entry.version for entry in found}  # the last one listed
    return tuple(
        {
            "model": entry.model, "version": entry.version, "newest": newest[entry.model] == entry.version,
            "accuracy": entry.accuracy, "size": entry.size, "licence": entry.licence, "file": entry.file,
            "sha256": entry.sha256, "bytes": entry.bytes, "from": entry.to_dict()["from"],
            "package": None if entry.package is None else entry.package.name,
            "of_100_photographs": None if entry.package is None else entry.package.measured,
            "preprocessing": preprocess_as(entry).to_dict(),
            "here": at_hand(entry), "how": entry.install or "downloaded once",
        }
        for entry in sorted(found, key=lambda entry: (entry.package is None, order[entry.model]))
    )  # fmt: skip
