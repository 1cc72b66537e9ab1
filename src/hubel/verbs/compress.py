"""Compress: a run's net in a tenth of its bytes or fewer, as a run of its own that answers like any other."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from hubel.compression.result import Compressed
from hubel.compression.whole import make_small, summary_of
from hubel.errors import UsageError
from hubel.faces.progress import shows_progress
from hubel.records.ledger import find_run
from hubel.report.pages.compress import render_compressed
from hubel.verbs.evaluate import write_results
from hubel.watching import SILENT, Watcher

__all__ = ["Compressed", "compress"]


@shows_progress
def compress(
    run: str | PathLike[str], to: str = "10x", *, bits: int | None = None, epochs: int | None = None,
    out: str | Path | None = None, device: str = "auto", data_root: str | Path | None = None,
    verbose: bool | None = None, watch: Watcher = SILENT,
) -> Compressed:  # fmt: skip
    """Make the net of a run small: `to` a part of its bytes ("10x") or a size ("200kB"), as a run in `out`.

    Weights are pruned in rounds with training between them, the rest share 2^`bits` values in each layer (if not given,
    2^8 in filters and 2^5 in matrices), which are trained too, and all is kept in Huffman's code (Deep Compression:
    Han, Mao, Dally, arXiv:1510.00149). The training is the run's own, for `epochs` (half of those that it had, and not
    fewer than six). Every stage is measured on the validation samples; the test samples are looked at once at the end.

    `out`: the folder of the new run; beside the first if not given. Raises UsageError, ArtefactError, DataError.
    """
    if bits is not None and not 1 <= bits <= 8:
        raise UsageError(f"a weight has 1 to 8 bits, got {bits}", hint="--bits 5")
    if epochs is not None and epochs < 0:
        raise UsageError(f"epochs must be 0 or more, got {epochs}", hint="--epochs 10")
    new, result, test = make_small(
        find_run(run), to, bits=bits, epochs=epochs, out=out, device=device, data_root=data_root, watch=watch
    )
    if test:
        write_results(new, test[1])
    new.write_json("compression.json", result.to_dict())
    new.write_text("report.html", render_compressed(result))
    new.write_json("summary.json", summary_of(result, test))  # last: where it stands, the run is whole
    watch.done()
    return result
