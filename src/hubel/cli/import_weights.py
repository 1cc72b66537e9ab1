"""`hubel import-weights FILE --as NAME`: foreign weights, read safely, into a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.console import note, out


def command(
    file: Annotated[str, typer.Argument(help="a .safetensors or .pth file, or the word: published")],
    model: Annotated[str, typer.Option("--as", help="the architecture the weights belong to (hubel models)")],
    folder: Annotated[Path, typer.Option("--out", help="where the run folder goes")] = Path("runs"),
    classes: Annotated[Path | None, typer.Option(help="a text file with one class name a line")] = None,
    num_classes: Annotated[int | None, typer.Option(help="outputs, where the file does not say")] = None,
    in_chans: Annotated[int | None, typer.Option(help="input channels; the stem is adapted")] = None,
    img_size: Annotated[int | None, typer.Option(help="side of the pictures in pixels")] = None,
    mean: Annotated[str | None, typer.Option(help="per channel, 0..1: 0.485,0.456,0.406")] = None,
    std: Annotated[str | None, typer.Option(help="per channel, 0..1: 0.229,0.224,0.225")] = None,
    option: Annotated[list[str] | None, typer.Option(help="option of the architecture, name=value")] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="accept weights that leave some tensors at random")
    ] = False,
) -> None:
    """Read weights that others made: tensors only, in a process of its own; say what fitted, write a run folder."""
    from hubel.verbs.weights import import_weights, told

    done = import_weights(
        file,
        model=model,
        out=folder,
        class_names=_lines(classes),
        num_classes=num_classes,
        in_chans=in_chans,
        img_size=img_size,
        mean=_numbers("--mean", mean),
        std=_numbers("--std", std),
        options=_options(option or []),
        partial=partial,
    )
    height, width = done.img_size
    out().print(
        f"{done.run}: {done.architecture}, {done.num_classes} classes, pictures of {height}x{width}\n"
        f"{len(done.fit.loaded)} tensors taken, {len(done.fit.adapted)} adapted; {told(done.fit)}",
        markup=False,
    )
    if done.fit.by_order:
        note("no name fitted; the tensors were matched one after the other, by shape")
    if done.left_out:
        note(f"left out, as no tensors: {', '.join(done.left_out[:8])}")
    note(f"next: hubel predict {done.run} PICTURE")


def _lines(path: Path | None) -> list[str]:
    from hubel.errors import DataError

    if path is None:
        return []
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read class names from {str(path)!r}: {error}", hint="one name a line, UTF-8") from None


def _numbers(name: str, text: str | None) -> list[float] | None:
    from hubel.errors import UsageError

    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"{name} must be numbers with commas, got {text!r}", hint=f"{name} 0.5,0.5,0.5") from None


def _options(texts: list[str]) -> dict[str, object]:
    import yaml

    from hubel.errors import UsageError

    options: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--option must be name=value, got {text!r}", hint="--option stem=full")
        options[name] = yaml.safe_load(value)
    return options
