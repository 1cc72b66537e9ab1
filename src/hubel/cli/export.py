"""`hubel export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from hubel.cli.console import say
from hubel.cli.detect import write_detector
from hubel.cli.options import DATA_ROOT, JSON, RUN, VIEWS, WHICH, option, out
from hubel.cli.output import keep_off, print_json, watched
from hubel.store.kinds import is_detector


def command(
    run: RUN,
    to: Annotated[
        str, option("--to", "--form", "--format", metavar="FORM", help="onnx, page, or program (torch.export)")
    ] = "onnx",
    file: Annotated[Path | None, out("the file to write; called as the run if not given")] = None,
    int8: Annotated[
        bool, option("--int8", help="whole numbers of 8 bits: weights and activations, of a page its weights")
    ] = False,
    accept_loss: Annotated[
        float | None,
        option("--accept-loss", metavar="POINTS", help="of accuracy that --int8 may lose; 0.5 if not given"),
    ] = None,
    tolerance: Annotated[
        float | None,
        option("--tolerance", metavar="X", help="largest difference of a number that passes; the form's if not given"),
    ] = None,
    pictures: Annotated[
        int, option("--pictures", min=1, metavar="N", help="to compare: of the test part, and generated ones")
    ] = 256,
    licence: Annotated[str, option("--licence", "--license", metavar="TEXT", help="a line for the card")] = "",
    which: WHICH = "best",
    views: VIEWS = None,
    data_root: DATA_ROOT = None,
    as_json: JSON = False,
) -> None:
    """Write a run as one file that works elsewhere: everything from decoded bytes to its answers is in it.

    The net and the file are asked about the same pictures. Where their answers differ, nothing is written and the exit
    code is 4. Beside the file stand a card (FILE.card.md, FILE.card.json) and what was compared (FILE.parity.json).

    hubel export runs/photos-1
    hubel export runs/photos-1 --int8
    hubel predict photos-1.onnx new/*.jpg
    hubel export runs/scans-1          (of segment, regress, embed, reconstruct)
    hubel export detectors/parts-1     (of hubel anomaly: score and map)
    """
    if is_detector(run):
        chosen = {"--to": to != "onnx", "--int8": int8, "--accept-loss": accept_loss is not None,
                  "--tolerance": tolerance is not None, "--licence": bool(licence), "--which": which != "best",
                  "--views": views is not None, "--data-root": data_root is not None,
                  "--pictures": pictures != 256}  # fmt: skip
        write_detector(run, file, as_json=as_json, refused=[name for name, given in chosen.items() if given])
        return
    from hubel.verbs.export import export

    if file is not None:
        keep_off(file, [run])
    with watched() as watch:
        found = export(
            run, to, out=file, int8=int8, accept_loss=accept_loss, tolerance=tolerance, pictures=pictures,
            licence=licence, which=which, views=views, data_root=data_root, watch=watch,
        )  # fmt: skip
    if as_json:
        print_json(found.to_dict())
    else:
        say(str(found))
