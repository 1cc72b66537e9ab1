"""Compress: a run's net in a tenth of its bytes or fewer, as a run of its own that answers like any other."""

from __future__ import annotations

import math
import time
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from hubel import runtime
from hubel.assembly.restore import data_of
from hubel.assembly.trusting import trusted
from hubel.checkpoint import Classifier, load
from hubel.compression.compressing import Compressing, usual_epochs
from hubel.compression.keeping import open_source, write_small
from hubel.compression.result import Compressed
from hubel.compression.sizing import wanted_bytes
from hubel.errors import DataError, UsageError
from hubel.evaluation import Evaluation
from hubel.evaluation.comparison import compare
from hubel.evaluation.judge import judge
from hubel.faces.progress import shows_progress
from hubel.records.ledger import find_run
from hubel.report.pages.compress import render_compressed
from hubel.store import RunStore
from hubel.verbs.evaluate import write_results
from hubel.watching import SILENT, Watcher

__all__ = ["Compressed", "compress"]


@shows_progress
def compress(
    run: str | PathLike[str],
    to: str = "10x",
    *,
    bits: int | None = None,
    epochs: int | None = None,
    out: str | Path | None = None,
    device: str = "auto",
    data_root: str | Path | None = None,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> Compressed:
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
    folder = find_run(run)
    before = open_source(folder)
    most = wanted_bytes(to, sum(t.numel() * t.element_size() for t in before.model.state_dict().values()))
    alone = {"teacher": None, "from_": None, "unfreeze": None, "device": device}
    prepared = data_of(folder, watch, data_root=data_root, changes=alone)
    if not len(prepared.splits.val):
        raise DataError(
            "what compression costs is measured on validation samples, and this run kept none",
            hint="train it with --val-fraction 0.1",
        )
    epochs = usual_epochs(prepared.recipe) if epochs is None else epochs
    target, began = runtime.pick_device(device), time.perf_counter()
    work = Compressing(classifier=load(folder), prepared=prepared, device=target, bits=bits, watch=watch)
    work.run(most, epochs)
    seconds = time.perf_counter() - began
    new, small = write_small(folder, Path(folder.parent if out is None else out), work.classifier, prepared)
    small, _ = trusted(new, small, prepared, target, prepared.recipe.train.epochs or 1, watch)
    watch.stage("measuring")
    test = [_judged(net, prepared, target) for net in (before, small)] if len(prepared.splits.test) else []
    file = new.path("weights/best.packed")
    result = Compressed(
        folder=new.folder, file=file, raw_bytes=work.raw_bytes, bytes=file.stat().st_size, asked=most,
        bits=work.bits_used, epochs=epochs, seconds=seconds, samples=len(prepared.splits.val),
        stages=tuple(work.stages), test_samples=len(prepared.splits.test),
        test=(test[0].top1, test[1].top1) if test else (math.nan, math.nan),
        sentence=compare(dict(zip(("before", "now"), test, strict=True))).tests[0].sentence if test else "",
    )  # fmt: skip
    if test:
        write_results(new, test[1])
    _conclude(new, result, work, test)
    watch.done()
    return result


def _judged(net: Classifier, prepared: Any, device: torch.device) -> Evaluation:
    found = judge(net, prepared.scan, prepared.decoded, prepared.splits.test, "test", device)
    assert isinstance(found, Evaluation), "it names classes"
    return found


def _conclude(store: RunStore, result: Compressed, work: Compressing, test: list[Evaluation]) -> None:
    """compression.json, the page, and summary.json last: where it stands, the run is whole."""
    store.write_json("compression.json", result.to_dict())
    store.write_text("report.html", render_compressed(result))
    last = result.stages[-1]
    summary = {
        "status": "finished", "reason": "compressed", "epochs": result.epochs, "seconds": result.seconds,
        "best": {"val_accuracy": last.accuracy},
        "parameters": sum(p.numel() for p in work.model.parameters()),
    }  # fmt: skip
    if test:
        summary["test"] = {
            "split": "test", "sentence": test[1].sentence, "accuracy": test[1].top1,
            "balanced_accuracy": test[1].balanced_accuracy,
        }  # fmt: skip
    store.write_json("summary.json", summary)
