"""From the folder of a run to that of its small net, with all that is measured on the way."""

from __future__ import annotations

import math
import time
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
from hubel.compression.sharing import USUAL
from hubel.compression.sizing import wanted_bytes
from hubel.errors import DataError
from hubel.evaluation import Evaluation
from hubel.evaluation.comparison import compare
from hubel.evaluation.judge import judge
from hubel.store import RunStore
from hubel.watching import Watcher

NETS = "the net before", "the net now"


def make_small(
    folder: Path,
    to: str,
    *,
    bits: int | None,
    epochs: int | None,
    out: str | Path | None,
    device: str,
    data_root: str | Path | None,
    watch: Watcher,
) -> tuple[RunStore, Compressed, list[Evaluation]]:
    """The new run, what it came to, and the net before and after on the test samples, [] where there are none.

    Raises UsageError, ArtefactError, DataError.
    """
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
    work = Compressing(
        classifier=load(folder), prepared=prepared, device=target, bits=USUAL if bits is None else (bits, bits),
        settled=bits is not None, watch=watch,
    )  # fmt: skip
    work.run(most, epochs)
    seconds = time.perf_counter() - began
    new, small = write_small(folder, Path(folder.parent if out is None else out), work.classifier, prepared)
    small, _ = trusted(new, small, prepared, target, prepared.recipe.train.epochs or 1, watch)
    watch.stage("measuring")
    test = [_judged(net, prepared, target) for net in (before, small)] if len(prepared.splits.test) else []
    file = new.path("weights/best.packed")
    result = Compressed(
        folder=new.folder, file=file, parameters=sum(p.numel() for p in work.model.parameters()),
        raw_bytes=work.raw_bytes, bytes=file.stat().st_size, asked=most,
        bits=work.bits_used, epochs=epochs, seconds=seconds, samples=len(prepared.splits.val),
        stages=tuple(work.stages), test_samples=len(prepared.splits.test),
        test=(test[0].top1, test[1].top1) if test else (math.nan, math.nan),
        sentence=compare(dict(zip(NETS, test, strict=True))).tests[0].sentence if test else "",
    )  # fmt: skip
    return new, result, test


def _judged(net: Classifier, prepared: Any, device: torch.device) -> Evaluation:
    found = judge(net, prepared.scan, prepared.decoded, prepared.splits.test, "test", device)
    assert isinstance(found, Evaluation), "it names classes"
    return found


def summary_of(result: Compressed, test: list[Evaluation]) -> dict[str, Any]:
    """What stands in summary.json."""
    found: dict[str, Any] = {
        "status": "finished", "reason": "compressed", "epochs": result.epochs, "seconds": result.seconds,
        "best": {"val_accuracy": result.stages[-1].accuracy}, "parameters": result.parameters,
    }  # fmt: skip
    if test:
        found["test"] = {
            "split": "test", "sentence": test[1].sentence, "accuracy": test[1].top1,
            "balanced_accuracy": test[1].balanced_accuracy,
        }  # fmt: skip
    return found
