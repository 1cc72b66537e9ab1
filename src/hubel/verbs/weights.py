"""Bring weights from elsewhere into a run folder, from where every other verb takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from hubel.checkpoint import ModelSpec, golden_images, golden_logits, save_weights
from hubel.checkpoint.foreign import read_foreign
from hubel.checkpoint.importing import Imported, as_in_file, check_golden, outputs_of, way_out
from hubel.checkpoint.published import fetch, known_file
from hubel.checkpoint.sizing import check_memory, sized
from hubel.data.preprocessing import PICTURES, Preprocessing
from hubel.errors import ArtefactError, UsageError
from hubel.models import card, resolve
from hubel.models.fitting import fit_weights, renamed
from hubel.models.imagenet import class_names as words_of_imagenet
from hubel.models.pretrained import IMAGENET_MEAN, IMAGENET_STD, is_published, published
from hubel.runtime import generator, seeded
from hubel.store import RunStore

PUBLISHED = "published"
"""In place of a file: the ImageNet weights that were published for the architecture."""
MOST_CLASSES, MOST_SIDE = 1_000_000, 16_384
"""Of what a checkpoint can say: outputs, and pixels a side."""


def import_weights(
    file: str | Path,
    *,
    model: str,
    out: str | Path = "runs",
    class_names: Sequence[str] = (),
    num_classes: int | None = None,
    in_chans: int | None = None,
    img_size: int | tuple[int, int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    fit: str | None = None,
    interpolation: str | None = None,
    crop_share: float | None = None,
    options: Mapping[str, Any] | None = None,
    rename: Sequence[tuple[str, str]] = (),
    golden: str | Path | None = None,
    partial: bool = False,
) -> Imported:
    """Read `file` safely (or the "published" weights), fit it to the architecture `model`, write a run folder.

    `num_classes` None takes it from the head in the file, `in_chans` None from its first layer, `img_size` None the
    published size, `mean` and `std` None those of the architecture's published weights or of ImageNet (none for one
    channel), and so on for the preprocessing. A file that is published weights, by its digest, brings all of theirs.
    `rename` says which names in the file are which in the net: ("linear", "fc"). `golden` is a .safetensors file of
    `images` (N C H W as the net takes them) and the `logits` (N K) it must give to them.

    Raises ArtefactError when tensors of the net get no value, or tensors inside a part of it find no place, unless
    `partial` allows it, and where the golden logits are not met; UnknownName for an architecture that is not known,
    UsageError for settings that cannot be.
    """
    name, built_with = resolve(model, options or {})
    entry = card(name)
    given = published(name) if str(file) == PUBLISHED else known_file(Path(file), name)
    size = img_size if img_size is not None else given.size if given else entry.img_size
    if size is None:
        raise UsageError(
            f"{name} has no usual size of pictures, and none was said", hint="--img-size 28: the side it learnt from"
        )
    height, width = (size, size) if isinstance(size, int) else size
    for what, value, most in (("num_classes", num_classes, MOST_CLASSES), ("img_size", max(height, width), MOST_SIDE)):
        if value is not None and not 1 <= value <= most:
            raise UsageError(
                f"{what} must be 1 to {most:,}, got {value:,}", hint=f"leave --{what.replace('_', '-')} out"
            )
    if class_names and num_classes not in (None, len(class_names)):
        raise UsageError(f"{len(class_names)} class names came for {num_classes} outputs", hint="one name a line")

    norm = given or (published(name) if is_published(name) else None)
    usual_share = given.size / given.resize if given and fit in (None, "crop") else 1.0

    def seen(channels: int) -> Preprocessing:
        usual = channels == 3
        return Preprocessing(
            height=height, width=width, channels=channels, fit=fit or "crop",
            mean=tuple(mean if mean is not None else (norm.mean if norm else IMAGENET_MEAN) if usual else ()),
            std=tuple(std if std is not None else (norm.std if norm else IMAGENET_STD) if usual else ()),
            interpolation=interpolation or (given.interpolation if given else "bilinear"),
            crop_share=usual_share if crop_share is None else crop_share, takes=PICTURES if given else "",
        )  # fmt: skip

    channels = in_chans if in_chans is not None else len(mean) if mean else entry.in_chans
    seen(channels)  # what cannot be is said before a long file is read
    spec = ModelSpec(
        architecture=name, num_classes=num_classes or len(class_names) or entry.num_classes, in_chans=channels,
        img_size=(height, width), options=built_with,
    )  # fmt: skip
    skeleton, needed = sized(spec)
    check_memory(needed)
    foreign = read_foreign(file if given is None or str(file) != PUBLISHED else fetch(given))
    tensors = renamed(foreign.tensors, rename)
    heads = num_classes is None and not class_names
    spec = as_in_file(spec, skeleton, tensors, classes=heads, stem=in_chans is None, ordered=foreign.ordered)
    preprocessing = seen(spec.in_chans)
    with seeded(0):
        net = spec.build()
    found = fit_weights(net, tensors, ordered=foreign.ordered)
    if class_names and len(class_names) != outputs_of(net, spec, found):
        raise UsageError(
            f"{len(class_names)} class names came for {outputs_of(net, spec, found)} outputs", hint="one name a line"
        )
    if not found.complete and not partial:
        raise ArtefactError(f"the weights do not fill {name}: {found.sentence}", hint=way_out(found))
    if found.homeless and not partial:
        raise ArtefactError(
            f"{len(found.homeless)} tensors of the file lie in parts that {name} has, and have no place there "
            f"(the first: {found.homeless[0]!r}): another net learnt them, and without them answers would be wrong",
            hint=f"choose the net they come from, or its option (hubel model {name}); --partial leaves them out",
        )
    net.eval()
    if golden is not None:
        check_golden(net, Path(golden))
    noise = torch.randint(0, 256, (8, spec.in_chans, height, width), dtype=torch.uint8, generator=generator(0))
    images = golden_images(noise)
    store = RunStore.create(out, name.replace("/", "-"))
    save_weights(
        store, "best", net.state_dict(),
        spec=spec, preprocessing=preprocessing,
        class_names=class_names
        or (words_of_imagenet() if given is not None and spec.num_classes == given.num_classes else ())
        or [f"class {number}" for number in range(spec.num_classes)],
        recipe={"imported": Path(file).name if given is None else given.file, "sha256": foreign.sha256},
        probes=(images, golden_logits(net, preprocessing, images)),
    )  # fmt: skip
    return Imported(
        str(store.folder), name, spec.num_classes, (height, width), spec.in_chans, found, foreign.left_out,
        own=foreign.own, checked=golden is not None, preprocessing=preprocessing,
        published="" if given is None else given.file,
    )  # fmt: skip
