"""Every error a user can meet, in one small tree. This module imports nothing.

    HubelError                 exit 1   anything hubel noticed and can explain
    ├── UsageError             exit 2   a flag, a name or a recipe that cannot be
    │   ├── UnknownName                 a name that no registry holds; suggests near ones
    │   ├── UnfitLayer                  a layer of a list that what comes before it does not fit
    │   └── MissingExtra                an optional package is not installed; says how to get it
    ├── DataError              exit 3   pictures, labels, splits: what came is not usable
    └── ArtefactError          exit 4   a run folder or checkpoint is missing, damaged or foreign
        └── RunLocked                   another process is training in this folder

A message has two parts: *what* (what must hold and what came) and *hint* (what to do next).

>>> raise UsageError("batch_size must be at least 1, got 0", hint="use --batch-size 64")
Traceback (most recent call last):
    ...
hubel.errors.UsageError: batch_size must be at least 1, got 0
  use --batch-size 64
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HubelError(Exception):
    """Base of all errors that carry an explanation: `what` happened, and a `hint` for the way out."""

    exit_code = 1

    def __init__(self, what: str, *, hint: str = "") -> None:
        self.what = what
        self.hint = hint
        super().__init__(f"{what}\n  {hint}" if hint else what)

    def add(self, what: str, hint: str = "") -> None:
        """Say more of it: what else is known where it is passed on.

        >>> error = HubelError("the disk is full", hint="make room")
        >>> error.add("; the first run is whole", " and begin again")
        >>> print(error)
        the disk is full; the first run is whole
          make room and begin again
        """
        self.what, self.hint = self.what + what, self.hint + hint if self.hint else self.hint
        self.args = (f"{self.what}\n  {self.hint}" if self.hint else self.what,)

    def __reduce__(self) -> tuple[object, ...]:
        # Worker processes send errors home; the default would drop the keyword-only hint. The rest goes as it is.
        return _rebuild, (type(self), self.what, self.hint), self.__dict__


DAMAGED = "restore the file from a copy, or make it again; hubel runs ls names the runs that can be read"
"""The way out of a file of a run that is not what it must be."""


class UsageError(HubelError):
    """The request itself cannot be: a wrong flag, an impossible value, two settings that exclude each other."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that is not in its registry."""


class UnfitLayer(UsageError):
    """A layer of a list that does not fit; `at` says where it stands.

    A place is a number in the list, from 0; inside a layer that holds layers it goes on with a path and a number there:
    (2, 0, 1) is the second layer of the first path of the third layer.
    """

    at: tuple[int, ...] = ()


class MissingExtra(UsageError):
    """An optional package is needed and not installed."""


class DataError(HubelError):
    """The data cannot be used as it is.

    `reason` is what is wrong with the one file that was asked about, without its name; "" for errors of more than that.
    """

    exit_code = 3

    def __init__(self, what: str, *, hint: str = "", reason: str = "") -> None:
        self.reason = reason
        super().__init__(what, hint=hint)


class ArtefactError(HubelError):
    """A run, checkpoint or weights file is missing, damaged, or made for something else."""

    exit_code = 4


class RunLocked(ArtefactError):
    """Another live process holds the run folder."""


def _rebuild(kind: type[HubelError], what: str, hint: str) -> HubelError:
    error = kind.__new__(kind)
    HubelError.__init__(error, what, hint=hint)
    return error


def near(name: str, known: Iterable[str], *, count: int = 3) -> list[str]:
    """The names most like `name`, best first.

    >>> near("resnet81", ["resnet18", "resnet50", "vgg16"])
    ['resnet18', 'resnet50']
    """
    by_fold = {candidate.casefold(): candidate for candidate in known}
    close = difflib.get_close_matches(name.casefold(), by_fold, n=count, cutoff=0.6)
    return [by_fold[key] for key in close]


def unknown(kind: str, name: str, known: Iterable[str], *, listing: str = "") -> UnknownName:
    """The error for a name that `known` does not hold: near names, else all of them, and the `listing` command.

    >>> print(unknown("model", "resnet81", ["resnet18", "vgg16"], listing="hubel models"))
    unknown model 'resnet81'
      did you mean 'resnet18'? all of them: hubel models
    """
    names = list(known)
    close = near(name, names)
    if close:
        hint = f"did you mean {' or '.join(repr(n) for n in close)}?"
    elif len(names) <= 12:
        hint = f"known: {', '.join(names)}" if names else "none are registered"
    else:
        hint = f"{len(names)} are known"
    if listing:
        hint += f" all of them: {listing}" if hint.endswith("?") else f"; list them: {listing}"
    shown = name if len(name) <= 60 else f"{name[:59]}…"
    return UnknownName(f"unknown {kind} {shown!r}", hint=hint)


def missing_extra(package: str, extra: str, purpose: str) -> MissingExtra:
    """The error for an optional dependency that is absent.

    >>> print(missing_extra("onnx", "export", "exporting to ONNX"))
    exporting to ONNX needs the package 'onnx', which is not installed
      pip install 'hubel[export]'
    """
    return MissingExtra(
        f"{purpose} needs the package {package!r}, which is not installed", hint=f"pip install 'hubel[{extra}]'"
    )
