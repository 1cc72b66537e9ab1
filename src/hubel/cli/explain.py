"""`hubel explain RUN PICTURE`: why the net says what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[str, typer.Argument(help="a run folder, such as runs/photos-1")] = "",
    picture: Annotated[str, typer.Argument(help='a picture file, or a sample of a source: "digits:3"')] = "",
    method: Annotated[str, typer.Option("--method", "-m", help="methods, with commas between them")] = "",
    target: Annotated[str, typer.Option(help="the class to explain, by name or number; else the predicted one")] = "",
    layer: Annotated[str, typer.Option(help="the layer whose maps are read, for methods that read one")] = "",
    out: Annotated[Path, typer.Option("--out", "-o", help="the page to write; PNGs go beside it")] = Path(
        "explain.html"
    ),
    trust: Annotated[
        bool, typer.Option(help="measure how far each map can be trusted (takes most of the time)")
    ] = True,
    methods: Annotated[bool, typer.Option("--methods", help="list the methods and end")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N, mps")] = "auto",
) -> None:
    """One page with the prediction, several maps side by side, and how far each of them can be trusted.

    hubel explain runs/photos-1 cat.jpg
    hubel explain runs/photos-1 cat.jpg --method grad-cam,occlusion,integrated-gradients --target dog
    """
    from hubel.cli.console import hanging, note, say
    from hubel.cli.progress import Showing
    from hubel.errors import UsageError
    from hubel.report.explanation import drawings, render, verdicts
    from hubel.verbs.explain import explain_page, listing

    if methods:
        for name, question in listing().items():
            say(hanging(f"{name:<22}", question))
        return
    if not run or not picture:
        raise UsageError("a run and a picture are needed", hint="hubel explain runs/photos-1 cat.jpg")
    watch = Showing()
    try:
        report = explain_page(
            run, picture, methods=[part.strip() for part in method.split(",") if part.strip()],
            target=target or None, layer=layer or None, trusted=trust, device=device, watch=watch,
        )  # fmt: skip
    finally:
        watch.done()
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(render(report), encoding="utf-8")
    for name, figure in drawings(report).items():
        out.with_name(f"{out.stem}-{name}.png").write_bytes(figure.data)
    say(report.sentence)
    for index, found in enumerate(report.maps):
        verdict = report.trusts[index] if report.trusts else None
        say(hanging(f"  {found.method:<21}{found.seconds:6.2f} s  ", " ".join(verdicts(found, verdict))))
    for name, why in report.refusals:
        note(hanging(f"{name}: ", why, indent=2))
    note(f"wrote {out}")
