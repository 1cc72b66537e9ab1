"""One way through folders of pictures, for training and for prediction alike.

Hidden files and folders and what file managers leave behind are passed over in silence. Links are not followed unless
that is asked for, and then never in a circle. Nothing is opened here, nothing else is left out unnamed.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field, replace

from hubel.data.images import SUFFIXES
from hubel.data.manifest import Problem, printable

# Left behind by file managers; nobody wants to read about them.
_LITTER = frozenset({"thumbs.db", "desktop.ini", "icon\r", "__macosx"})

BACK = "leads back to a folder above it"
LINK = "links are not followed: put the file itself here, or add --follow-links"


@dataclass
class Found:
    """Picture files of a walk in the order of their names, and what was met beside them."""

    follow: bool = False
    """Whether links are followed."""
    suffixes: frozenset[str] = SUFFIXES
    """How names of files end that are looked for."""
    paths: list[str] = field(default_factory=list)
    """Relative to the root of the walk, with forward slashes."""
    files: list[str] = field(default_factory=list)
    """Where to open them: as `paths`, or the absolute path of what a link leads to."""
    stats: list[tuple[int, int, int]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def name(self, path: str, kind: str, reason: str, *, left_out: bool = True) -> None:
        """Write a problem down, its path in letters that can be shown."""
        self.problems.append(Problem(printable(path), kind, reason, left_out=left_out))


def walk(root: str, folder: str, found: Found) -> None:
    """Collect the picture files below `folder` ("" for the root itself), to any depth, without recursion."""
    waiting, seen = [folder], set()
    while waiting:
        here = waiting.pop()
        prefix = f"{here}/" if here else ""
        if found.follow:
            seen.add(os.path.realpath(os.path.join(root, here)))
        for entry in entries(os.path.join(root, here), prefix, found):
            path = prefix + entry.name
            try:
                about = entry.stat(follow_symlinks=found.follow)
            except OSError as error:
                found.name(path, "unreadable", said(error))
                continue
            if stat.S_ISDIR(about.st_mode):
                if found.follow and entry.is_symlink() and leads_back(root, entry.path):
                    found.name(path, "link", BACK)
                elif found.follow and entry.is_symlink() and os.path.realpath(entry.path) in seen:
                    found.name(path, "link", "leads to a folder that is read already")
                else:
                    waiting.append(path)
            elif stat.S_ISREG(about.st_mode):
                if ends_like(entry.name, found.suffixes):
                    found.paths.append(path)
                    found.files.append(os.path.realpath(entry.path) if entry.is_symlink() else path)
                    found.stats.append((about.st_size, about.st_mtime_ns, about.st_ctime_ns))
                else:
                    what = (
                        "a picture's"
                        if found.suffixes is SUFFIXES
                        else f"those of {' or '.join(sorted(found.suffixes))} files"
                    )
                    found.name(path, "not an image", f"its name does not end like {what}")
            elif stat.S_ISLNK(about.st_mode):
                found.name(path, "link", LINK)
            else:
                found.name(path, "special file", "a pipe, socket or device")


def leads_back(root: str, link: str) -> bool:
    """Whether a link leads to the root of the walk or to a folder above it: a circle, and all that lies beside it."""
    target = os.path.realpath(link)
    return (os.path.realpath(root) + os.sep).startswith(target.rstrip(os.sep) + os.sep)


def pictures_below(folder: str, *, follow: bool = False) -> tuple[list[str], list[Problem]]:
    """The picture files below a folder that somebody named, as paths that begin with it, and what cannot be used.

    Files of another kind are no problem here: who names a folder means the pictures in it.
    """
    found = Found(follow=follow)
    walk(folder, "", found)
    paths = sorted(found.paths, key=lambda path: path.split("/"))
    problems = [
        replace(
            problem, path=printable(folder) if problem.path == "." else printable(os.path.join(folder, problem.path))
        )
        for problem in found.problems
        if problem.kind in ("unreadable", "special file")
        or (problem.reason == LINK and _may_matter(folder, problem.path))
    ]
    return [os.path.join(folder, path) for path in paths], problems


def _may_matter(folder: str, path: str) -> bool:
    """Whether a link that was not followed could have led to a picture."""
    return is_picture_name(path) or os.path.isdir(os.path.join(folder, path))


def entries(folder: str, prefix: str, found: Found) -> list[os.DirEntry[str]]:
    """What lies in a folder, in the order of names; one that cannot be read is named and gives []."""
    try:
        return listing(folder)
    except OSError as error:
        found.name(prefix or ".", "unreadable", said(error))
        return []


def listing(folder: str) -> list[os.DirEntry[str]]:
    """What lies in a folder but for hidden files and litter, in the order of names. Raises OSError."""
    with os.scandir(folder) as inside:
        return sorted((entry for entry in inside if not is_ignored(entry.name)), key=lambda entry: entry.name)


def is_ignored(name: str) -> bool:
    """Whether a name is hidden or litter."""
    return name.startswith(".") or name.casefold() in _LITTER


def is_picture_name(name: str) -> bool:
    """Whether a name ends like a picture's."""
    return ends_like(name, SUFFIXES)


def ends_like(name: str, suffixes: frozenset[str]) -> bool:
    """Whether a name ends with one of these, in letters of any size."""
    _, dot, suffix = name.rpartition(".")
    return dot + suffix.casefold() in suffixes


def is_folder(entry: os.DirEntry[str], *, follow: bool = False) -> bool:
    """Whether an entry is a folder; a link that leads nowhere, or to itself, is none."""
    try:
        return entry.is_dir(follow_symlinks=follow)
    except OSError:
        return False


def has_pictures(folder: str, suffixes: frozenset[str] = SUFFIXES) -> bool:
    """Whether there is a file below `folder` that is called like a picture, links aside; stops at the first."""
    waiting = [folder]
    while waiting:
        try:
            inside = listing(waiting.pop())
        except OSError:
            continue
        if any(ends_like(entry.name, suffixes) and entry.is_file(follow_symlinks=False) for entry in inside):
            return True
        waiting += [entry.path for entry in inside if entry.is_dir(follow_symlinks=False)]
    return False


def said(error: OSError) -> str:
    """The system's own words."""
    return (error.strerror or str(error)).lower()
