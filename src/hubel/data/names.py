"""Names as a data source spells them, and as they can be shown, stored and compared: of files, classes and splits."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from hubel.data.manifest import Problem, printable
from hubel.errors import near

__all__ = [
    "as_number", "class_order", "look_alikes", "printable", "shown_names", "split_folders", "split_word",
    "typing_errors",
]  # fmt: skip

LARGEST = 3.4028234e38
"""What float32 holds, in which nets count: larger numbers would be infinite to them."""
SURE = 5
"""So often a label must occur to make a look-alike that occurs once a likely typing error."""

SPLIT_WORDS = {
    "train": "train", "training": "train", "trn": "train",
    "val": "val", "valid": "val", "validation": "val", "validate": "val", "dev": "val", "eval": "val",
    "test": "test", "testing": "test", "tst": "test",
}  # fmt: skip
# What people add to such a word without meaning anything else by it: Train_png, test-images, validation_set.
_FILLERS = frozenset(
    {"png", "jpg", "jpeg", "bmp", "tif", "tiff", "image", "images", "img", "imgs", "pic", "pics", "picture", "pictures",
     "photo", "photos", "data", "dataset", "set", "split", "folder", "dir", "files"}
)  # fmt: skip
_GLUED = re.compile(r"^(train|training|val|valid|validation|dev|eval|test|testing)(set|data|images|imgs)$")


def split_word(text: str) -> str:
    """ "train", "val" or "test" for one of the field's words for them, else "".

    >>> split_word("Validation"), split_word("trainset"), split_word("test_images"), split_word("cat")
    ('val', 'train', 'test', '')
    """
    split, rest = _taken_apart(text)
    return "" if rest else split


def split_folders(names: Iterable[str]) -> dict[str, str]:
    """Which of the folders beside each other are parts of one given split: {name: "train", "val" or "test"}, or {}.

    What stands beside the word may be anything, as long as all parts have the same. There must be a training part.

    >>> split_folders(["seg_train", "seg_test", "seg_pred"]), split_folders(["Train_png", "Test_png"])
    ({'seg_train': 'train', 'seg_test': 'test'}, {'Train_png': 'train', 'Test_png': 'test'})
    >>> split_folders(["cat", "dog"]), split_folders(["training shoes", "test tubes"])
    ({}, {})
    """
    parts: dict[tuple[str, ...], dict[str, str]] = {}
    for name in names:
        split, rest = _taken_apart(name)
        if split:
            parts.setdefault(rest, {})[name] = split
    plain = parts.get((), {})
    if "train" in plain.values():
        return plain
    both = [found for found in parts.values() if "train" in found.values() and len(set(found.values())) > 1]
    return both[0] if len(both) == 1 else {}


def _taken_apart(name: str) -> tuple[str, tuple[str, ...]]:
    """The split that a name speaks of, and its other words but for fillers; ("", ()) without exactly one such word."""
    words = [
        word.casefold()
        for word in re.findall(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+(?![a-z])|\d+", unicodedata.normalize("NFC", name))
    ]
    words = [part for word in words for part in _GLUED.sub(r"\1 \2", word).split()]
    splits = [SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS]
    if len(splits) != 1:
        return "", ()
    return splits[0], tuple(word for word in words if word not in SPLIT_WORDS and word not in _FILLERS)


def as_number(text: str, *, comma: bool = False) -> float | None:
    """The number that `text` is, finite and small enough for a net (`LARGEST`), else None; `comma`: 3,5 is one too.

    >>> as_number("3.5"), as_number("1e3"), as_number("NA"), as_number("1_000"), as_number("3,5", comma=True)
    (3.5, 1000.0, None, None, 3.5)
    >>> as_number("1e300"), as_number("inf")
    (None, None)
    """
    if comma and re.fullmatch(r"[+-]?\d+,\d+", text):
        text = text.replace(",", ".")
    if "_" in text:  # Python reads 1_000 as a number, and nobody's table means it
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) <= LARGEST else None


def class_order(names: Iterable[str]) -> list[str]:
    """Class names in the one order that folders and tables share: numbers by their value, words by the alphabet.

    >>> class_order(["10", "9", "1"]), class_order(["10", "9", "b"])
    (['1', '9', '10'], ['10', '9', 'b'])
    """
    different = sorted(set(names))
    values = {name: as_number(name) for name in different}
    return sorted(different, key=lambda name: (values[name] or 0.0, name)) if None not in values.values() else different


def shown_names(raw: Iterable[str]) -> dict[str, str]:
    r"""Each name as it can be printed; two that would print alike are told apart by a number.

    >>> shown_names(["caf\udce9", "caf\\xe9", "tea"])
    {'caf\\xe9': 'caf\\xe9', 'caf\udce9': 'caf\\xe9 (2)', 'tea': 'tea'}
    """
    names = sorted(set(raw), key=lambda name: (printable(name) != name, name))  # what prints as it is keeps its name
    taken: set[str] = set()
    found = {}
    for name in names:
        shown, number = printable(name), 1
        while shown in taken:
            number += 1
            shown = f"{printable(name)} ({number})"
        taken.add(shown)
        found[name] = shown
    return dict(sorted(found.items()))


def look_alikes(names: Iterable[str]) -> list[Problem]:
    """Classes that a reader may take for one: which differ in capitals, in spaces, or in how accents are composed."""
    seen: dict[tuple[str, str], str] = {}
    found = []
    for name in names:
        folded = unicodedata.normalize("NFKC", name).casefold()
        for what, key in (
            ("in how its accents are composed", unicodedata.normalize("NFC", name)),
            ("in capital letters", folded),
            ("in spaces and dashes", " ".join(folded.replace("_", " ").replace("-", " ").split())),
        ):
            twin = seen.setdefault((what, key), name)
            if twin != name:
                reason = f"differs from the class {twin!r} {what} only; both are kept as classes of their own"
                found.append(Problem(name, "class names", reason, left_out=False))
                break
    return found


def typing_errors(counts: Mapping[str, int]) -> list[Problem]:
    """Labels that occur once and are spelt nearly as one that occurs often: typing errors, most likely.

    >>> [problem.reason for problem in typing_errors({"worn": 20, "wron": 1, "ok": 40})]
    ["occurs once, and 'worn' 20 times: a typing error?"]
    """
    often = [name for name, count in counts.items() if count >= SURE]
    found = []
    for name, count in counts.items():
        close = near(name, often) if count == 1 and len(name) > 2 and as_number(name) is None else []
        if close:
            reason = f"occurs once, and {close[0]!r} {counts[close[0]]} times: a typing error?"
            found.append(Problem(printable(name), "class names", reason, left_out=False))
    return found
