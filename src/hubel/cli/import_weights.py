"""`hubel import-weights FILE --as NAME`: foreign weights, read safely, into a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubel.cli.console import note, say
from hubel.cli.options import numbers, option
from hubel.cli.settings import pairs
from hubel.errors import DataError, UsageError
from hubel.words import plural

if TYPE_CHECKING:
    from hubel.data.preprocessing import Preprocessing


def command(
    file: Annotated[str, typer.Argument(metavar="FILE", help="a .safetensors or .pth file, or the word: published")],
    model: Annotated[
        str,
        option("--as", "--model", "--arch", metavar="MODEL", help="the architecture of the weights (hubel models)"),
    ],
    folder: Annotated[
        Path, option("--out", "--output-dir", "--project", metavar="FOLDER", help="folder of runs")
    ] = Path("runs"),
    classes: Annotated[
        Path | None, option("--classes", metavar="FILE", help="a text file with one class name a line")
    ] = None,
    num_classes: Annotated[
        int | None, option("--num-classes", metavar="N", help="outputs, where the file does not say")
    ] = None,
    in_chans: Annotated[
        int | None, option("--in-chans", "--channels", metavar="N", help="1 or 3, if not those of the file")
    ] = None,
    img_size: Annotated[
        int | None, option("--img-size", "--imgsz", "--image-size", metavar="N", help="side of the pictures in pixels")
    ] = None,
    mean: Annotated[str | None, option("--mean", metavar="LIST", help="per channel, 0..1: 0.485,0.456,0.406")] = None,
    std: Annotated[str | None, option("--std", metavar="LIST", help="per channel, 0..1: 0.229,0.224,0.225")] = None,
    fit: Annotated[
        str | None, option("--fit", metavar="HOW", help="pictures of another shape: crop, pad or squash")
    ] = None,
    interpolation: Annotated[
        str | None, option("--interpolation", metavar="HOW", help="nearest, bilinear, bicubic or lanczos")
    ] = None,
    crop_share: Annotated[
        float | None,
        option("--crop-share", metavar="SHARE", help="of the short side, for --fit crop: 0.875 is 224 out of 256"),
    ] = None,
    rename: Annotated[
        list[str] | None, option("--rename", metavar="OLD=NEW", help="a name in the file is another in the net")
    ] = None,
    golden: Annotated[
        Path | None, option("--golden", metavar="FILE", help="images and the logits that must come, .safetensors")
    ] = None,
    options: Annotated[
        list[str] | None,
        option(
            "--model-option", "--option", "--model-options", metavar="NAME=VALUE", help="option of the architecture"
        ),
    ] = None,
    partial: Annotated[bool, option("--partial", help="accept weights that fill or fit only in part")] = False,
) -> None:
    """Read weights that others made: tensors only, in a process of its own; say what fitted, write a run folder.

    hubel import-weights resnet18.pth --as resnet18
    """
    from hubel.verbs.weights import import_weights

    strange = next((word for word in rename or [] if "=" not in word or word.startswith("=")), None)
    if strange is not None:
        raise UsageError(f"--rename takes OLD=NEW, got {strange!r}", hint="--rename linear=fc")
    done = import_weights(
        file,
        model=model,
        out=folder,
        class_names=_lines(classes),
        num_classes=num_classes,
        in_chans=in_chans,
        img_size=img_size,
        mean=numbers("--mean", mean),
        std=numbers("--std", std),
        fit=fit,
        interpolation=interpolation,
        crop_share=crop_share,
        rename=[(old, new) for old, _, new in (word.partition("=") for word in rename or [])],
        golden=golden,
        options=pairs("--model-option", options or []),
        partial=partial,
    )
    height, width = done.img_size
    say(
        f"{done.run}: {done.architecture}, {plural(done.num_classes, 'class')}, "
        f"{'grey' if done.in_chans == 1 else 'colour'} pictures of {height}x{width}\n"
        f"{plural(len(done.fit.loaded), 'tensor')} taken, {len(done.fit.adapted)} adapted; {done.fit.sentence}"
    )
    if done.published:
        note(f"these are the published weights {done.published}: classes and preprocessing are theirs")
    elif done.preprocessing is not None:
        note(
            f"pictures will be prepared so: {in_words(done.preprocessing)}; where that is not how the net was trained:"
        )
        note("  --mean, --std, --fit, --crop-share, --interpolation, --img-size; --classes FILE names its outputs")
    if done.fit.by_names:
        note("the names are another library's: they say which tensor is which")
    elif done.fit.by_order:
        note("names did not fit: the tensors were matched one after the other, by shape")
    if done.fit.alike and not done.checked:
        note(
            f"{done.fit.alike} of them could by their shape stand elsewhere; only their order speaks for them: "
            "check with --golden FILE, or on pictures whose class you know"
        )
    if done.fit.head:
        note(f"{done.fit.head!r} was taken for the head, by its shape")
    if done.checked:
        note("the golden logits are met")
    if done.own:
        note(f"{file} says itself what it is, its preprocessing too: hubel predict {file} PICTURE needs no import")
    if done.left_out:
        note(f"left out, as no tensors: {', '.join(done.left_out[:8])}")
    note(f"next: hubel predict {done.run} PICTURE")


def in_words(seen: Preprocessing) -> str:
    """How pictures are prepared, in the words of the options."""
    scaled = ["values 0..1"] if not seen.mean else [
        f"{name} {','.join(f'{value:.3f}' for value in values)}"
        for name, values in (("mean", seen.mean), ("std", seen.std))
    ]  # fmt: skip
    share = f" {seen.crop_share:g}" if seen.fit == "crop" else ""
    return ", ".join([f"{seen.fit}{share}", seen.interpolation, *scaled])


def _lines(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read class names from {str(path)!r}: {error}", hint="one name a line, UTF-8") from None
