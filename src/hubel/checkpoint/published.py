"""Published weights into a net: download once, check the digest, read as foreign, fit.

cache/weights/resnet18-f37072fd.pth          what was downloaded, kept only if its SHA-256 begins as its name says
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import pooch
from torch import nn

from hubel.checkpoint.foreign import read_foreign
from hubel.data import cache
from hubel.errors import ArtefactError, UsageError
from hubel.models.fitting import Fit, fit_weights
from hubel.models.heads import trunk
from hubel.models.pretrained import BASE, Published, published


def load_published(model: nn.Module, name: str, *, version: str | None = None, base: str = BASE) -> Fit:
    """Put the ImageNet weights of the architecture `name` into `model`, which was built with that name.

    The head stays fresh where the number of classes differs, the stem is adapted where the channels do. Raises
    UnknownName where nothing was published, ArtefactError where the download fails or does not fit the net.
    """
    entry = published(name, version)
    model = trunk(model)
    fit = fit_weights(model, read_foreign(fetch(entry, base=base)).tensors)
    head = str(getattr(model, "head", ""))
    strange = [name for name in (*fit.missing, *(row[0] for row in fit.mismatched)) if not name.startswith(head)]
    if strange:
        raise UsageError(
            f"the published weights of {name} do not fit this net at {len(strange)} places, the first {strange[0]!r}",
            hint=f"build it as published: --img-size {entry.size}, --model-option stem=full, no other option",
        )
    return fit


def fetch(entry: Published, *, base: str = BASE) -> Path:
    """The file in the cache, downloaded if it is not there; raises ArtefactError when that cannot be done."""
    folder = cache.home() / "weights"
    path = folder / entry.file
    if path.is_file() and _begins(path, entry.sha256_prefix):
        return path
    by_hand = f"download {BASE}{entry.file} elsewhere and put it into {folder}"
    if os.environ.get("HUBEL_OFFLINE", "") not in ("", "0"):
        raise ArtefactError(
            f"{entry.file} is not on this machine, and HUBEL_OFFLINE forbids to download it", hint=by_hand
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
        raise ArtefactError(f"cannot download {base}{entry.file}: {str(error)[:200]}", hint=by_hand) from None
    finally:
        logger.setLevel(before)
    return path


def _begins(path: Path, prefix: str) -> bool:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().startswith(prefix)
