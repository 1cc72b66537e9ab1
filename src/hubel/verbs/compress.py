"""Compress: a run's net in a tenth of its bytes or fewer, as a run of its own that answers like any other."""

from __future__ import annotations

import time
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hubel import runtime
from hubel.assembly.restore import prepared_again, splits_of
from hubel.assembly.trusting import trusted
from hubel.checkpoint import Classifier, golden_images, golden_logits, load, packed_size, save_weights
from hubel.compression.compressing import Compressing, usual_epochs
from hubel.compression.result import Compressed
from hubel.compression.sharing import DENSE_BITS, bits_for
from hubel.compression.sizing import wanted_bytes
from hubel.errors import ArtefactError, DataError, UsageError
from hubel.evaluation import Evaluation
from hubel.evaluation.comparison import compare
from hubel.evaluation.judge import judge
from hubel.faces.progress import shows_progress
from hubel.models.ensemble import NAME as ENSEMBLE
from hubel.recipes.schema import compose, read_file
from hubel.records.folder import create_beside
from hubel.records.ledger import find_run
from hubel.records.own_data import placed
from hubel.report.pages.compress import render_compressed
from hubel.store import RunStore
from hubel.verbs.evaluate import write_results
from hubel.watching import SILENT, Watcher


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
        raise UsageError(f"a weight has 1 to 8 bits, got {bits}", hint=f"--bits {DENSE_BITS}")
    if epochs is not None and epochs < 0:
        raise UsageError(f"epochs must be 0 or more, got {epochs}", hint="--epochs 10")
    folder = find_run(run)
    before = _classifier(folder)
    most = wanted_bytes(to, sum(t.numel() * t.element_size() for t in before.model.state_dict().values()))
    store = RunStore.open(folder)
    recipe = placed(folder, compose(read_file(folder / "config.yaml")), data_root)
    recipe = recipe.change(teacher=None, from_=None, unfreeze=None, device=device)
    prepared = prepared_again(store, recipe, splits_of(store), watch)
    if not len(prepared.splits.val):
        raise DataError(
            "what compression costs is measured on validation samples, and this run kept none",
            hint="train it with --val-fraction 0.1",
        )
    epochs = usual_epochs(prepared.recipe) if epochs is None else epochs
    target, began = runtime.pick_device(device), time.perf_counter()
    after = load(folder)
    sight = after.preprocessing
    said: dict[str, Any] = {
        "spec": after.spec, "preprocessing": sight, "class_names": after.class_names,
        "recipe": recipe.model_dump(mode="json"), "metrics": {}, "data_digest": after.provenance.data_digest,
    }  # fmt: skip
    work = Compressing(
        classifier=after, prepared=prepared, device=target, bits=bits, watch=watch,
        packed=lambda: packed_size(after.model.state_dict(), **said),
    )  # fmt: skip
    work.run(most, epochs)
    seconds, model = time.perf_counter() - began, after.model.cpu().eval()
    place = Path(out) if out is not None else folder.parent
    new, written = create_beside(folder, place, f"{folder.resolve().name}-small")
    first = prepared.ids("train")[:16]
    golden = golden_images(torch.from_numpy(np.ascontiguousarray(prepared.decoded.images[first])))
    said |= {"recipe": written.model_dump(mode="json"), "probes": (golden, golden_logits(model, sight, golden))}
    save_weights(new, "best", model.state_dict(), form="packed", **said)
    small, _ = trusted(new, load(new.folder), prepared, target, prepared.recipe.train.epochs or 1, watch)
    watch.stage("measuring")
    test = [_judged(net, prepared, target) for net in (before, small)] if len(prepared.splits.test) else []
    file = new.path("weights/best.packed")
    result = Compressed(
        folder=new.folder, file=file, raw_bytes=work.raw_bytes, bytes=file.stat().st_size, asked=most,
        bits=tuple(sorted({bits_for(weight, bits) for weight in work.weights.values()}, reverse=True)),
        epochs=epochs, seconds=seconds, samples=len(prepared.splits.val), stages=tuple(work.stages),
        test_samples=len(prepared.splits.test), test=(test[0].top1, test[1].top1) if test else (np.nan, np.nan),
        sentence=compare(dict(zip(("before", "now"), test, strict=True))).tests[0].sentence if test else "",
    )  # fmt: skip
    if test:
        write_results(new, test[1])
    _conclude(new, result, work, test)
    watch.done()
    return result


def _classifier(folder: Path) -> Classifier:
    """The net that is made small; ArtefactError for one that cannot be."""
    found = load(folder)
    found.require_answers()
    what = ""
    if not found.class_names or found.method:
        what = "only a net that names classes is compressed, and this one does not"
    elif found.spec.architecture == ENSEMBLE:
        what = "an ensemble is several nets, each of which is trained alone"
    elif not (folder / "config.yaml").is_file():
        what = f"{folder} does not say how it was trained, and a pruned net must be trained again"
    if what:
        raise ArtefactError(what, hint="hubel compress RUN, of a run that hubel train made: hubel runs")
    return found


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
