"""`hubel compress`: a run's net in a tenth of its bytes."""

from __future__ import annotations

from typing import Annotated

from hubel.cli.console import say
from hubel.cli.options import DATA_ROOT, DEVICE, JSON, RUN, option
from hubel.cli.output import print_json, watched


def command(
    run: RUN,
    to: Annotated[str, option("--to", metavar="10x|SIZE", help="how many times smaller, or a size: 200kB")] = "10x",
    bits: Annotated[
        int | None,
        option("--bits", min=1, max=8, metavar="N", help="of a weight; 8 in filters and 5 in matrices if not given"),
    ] = None,
    epochs: Annotated[
        int | None,
        option("--epochs", min=0, metavar="N", help="of training; half of the run's, 6 at least, if not given"),
    ] = None,
    folder: Annotated[
        str | None, option("--out", metavar="FOLDER", help="where the new run goes; beside RUN if not given")
    ] = None,
    device: DEVICE = "auto",
    data_root: DATA_ROOT = None,
    as_json: JSON = False,
) -> None:
    """Make a net small: weights pruned in rounds, the rest sharing few values, in Huffman's code (Deep Compression).

    Size stands against accuracy at every stage, on the validation samples; the test samples are looked at once. What
    comes out is a run: predict, evaluate, export and serve take it. weights/best.packed in it is enough alone.

    hubel compress runs/digits-1 --to 10x
    hubel compress runs/photos-1 --to 500kB --epochs 20
    """
    from hubel.verbs.compress import compress

    with watched() as watch:
        found = compress(
            run, to, bits=bits, epochs=epochs, out=folder, device=device, data_root=data_root, watch=watch
        )  # fmt: skip
    if as_json:
        print_json(found.to_dict())
    else:
        say(str(found))
