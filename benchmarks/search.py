"""What a search is worth: settings within so many epochs, time held, nets found within LeNet-5's arithmetic.

    python benchmarks/search.py --digits --seeds 10 [--engine tpe]         six settings of an MLP, 216 epochs in all
    python benchmarks/search.py --time 20m --data CIFAR_FOLDER --seeds 3   against plain hubel train given the same time
    python benchmarks/search.py --nets --trials 60 --seeds 5               evolution on MNIST-10k within LeNet-5's MACs
    python benchmarks/search.py --methods --trials 36                      each way of searching nets on MNIST-10k
    python benchmarks/search.py --budgets                                  how well --time is held: 60 s, 120 s, 300 s
    python benchmarks/search.py --ranking --trials 50                      shared weights against training each net

Validation and test accuracy of the winner, a JSON line a seed, then a summary. Nets: the winner and LeNet-5 train anew
with the same recipe and five seeds each; a win is a difference above the spread of both.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from typing import Any

import numpy as np
from scipy.stats import spearmanr

import hubel
from hubel.checkpoint import ModelSpec
from hubel.searching.limits import count
from hubel.searching.nets.genes import NetSpace
from hubel.searching.nets.one_shot import genes_of

SIX = {
    "lr": "1e-4..1e-1:log",
    "batch_size": "16..128",
    "weight_decay": "1e-5..1e-1:log",
    "label_smoothing": [0.0, 0.05, 0.1],
    "mlp.hidden": [[32], [64], [128], [256], [64, 64], [256, 128]],
    "mlp.dropout": [0.0, 0.1, 0.3],
}
EPOCHS, FULL, GOAL = 216, 18, 0.97
MNIST = {"limit": 10_000, "views": "none"}


def tell(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


def digits(seeds: int, engine: str, threads: int) -> None:
    """Six settings of an MLP on the digits, within 216 epochs."""
    scores = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as out:
            began = time.perf_counter()
            found = hubel.search(
                "digits", epochs=EPOCHS, trial_epochs=FULL, space=SIX, model="mlp", augment="none", engine=engine,
                seed=seed, split_seed=seed, out=out, threads=threads, verbose=False,
            )  # fmt: skip
            best = max(trial.score or 0.0 for trial in found.trials if not trial.again)
            test = hubel.Run(found.best).summary["test"]["accuracy"]
            scores.append(best)
            tell(
                data="digits", engine=engine, seed=seed, validation=best, mean_of_seeds=found.finalists[0].mean,
                test=test, trials=len([t for t in found.trials if not t.again]), epochs=found.epochs,
                seconds=round(time.perf_counter() - began, 1),
            )  # fmt: skip
    good = sum(score >= GOAL for score in scores)
    tell(claim=f"validation >= {GOAL:.0%} within {EPOCHS} epochs", seeds=seeds, reached=good,
         median=statistics.median(scores), lowest=min(scores), highest=max(scores))  # fmt: skip


def nets(trials: int, seeds: int, epochs: int, threads: int, how: str = "evolution") -> None:
    """Evolution within LeNet-5's multiply-accumulates, then both with the same recipe and several seeds."""
    most = count(ModelSpec(architecture="lenet5", num_classes=10, in_chans=1, img_size=(28, 28))).macs
    with tempfile.TemporaryDirectory() as out:
        found = hubel.search("mnist", nets=how, trials=trials, trial_epochs=epochs, max_macs=most, out=out,
                             threads=threads, verbose=False, **MNIST)  # fmt: skip
        tell(how=how, sentence=found.sentence, seconds=round(found.seconds, 1), macs=most, layers=found.layers)
        results: dict[str, list[float]] = {}
        for name in ("lenet5", str(found.folder / "winner.yaml")):
            for seed in range(seeds):
                run = hubel.train("mnist", model=name, epochs=epochs, seed=100 + seed, out=out, threads=threads,
                                  verbose=False, **MNIST)  # fmt: skip
                results.setdefault(name, []).append(run.summary["test"]["accuracy"])
        ours, theirs = results[str(found.folder / "winner.yaml")], results["lenet5"]
    spread = statistics.stdev(ours) + statistics.stdev(theirs) if seeds > 1 else float("nan")
    tell(claim="evolution within LeNet-5's MACs beats LeNet-5 by more than the spread", winner=ours, lenet5=theirs,
         difference=statistics.fmean(ours) - statistics.fmean(theirs), spread=spread)  # fmt: skip


def methods(trials: int, epochs: int, threads: int) -> None:
    """Each way of searching nets, the same number of nets each."""
    for how in ("random", "evolution", "hierarchical", "q-learning", "progressive", "morphism", "enas"):
        for cells in (False, True) if how in ("random", "evolution") else (False,):
            with tempfile.TemporaryDirectory() as out:
                found = hubel.search("mnist", nets=how, cells=cells, trials=trials, trial_epochs=epochs, out=out,
                                     threads=threads, verbose=False, **MNIST)  # fmt: skip
                scores = [trial.score or 0.0 for trial in found.trials if trial.values and not trial.again]
                tell(how=how, cells=cells, best=max(scores), mean_of_last_third=statistics.fmean(
                    scores[-len(scores) // 3 :]), test=hubel.Run(found.best).summary["test"]["accuracy"],
                    parameters=next(t.params for t in found.trials if t.folder == found.winner),
                    minutes=round(found.seconds / 60, 2))  # fmt: skip


def against_training(data: str, allowed: str, seeds: int, threads: int) -> None:
    """A search and a plain training, given the same time."""
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as out:
            found = hubel.search(data, time=allowed, seed=seed, out=out, threads=threads, verbose=False)
            plain = hubel.train(data, time=allowed, seed=seed, out=out, threads=threads, verbose=False)
            tell(data=data, time=allowed, seed=seed, search=hubel.Run(found.best).summary["test"]["accuracy"],
                 train=plain.summary["test"]["accuracy"], trials=len(found.trials), seconds=found.seconds)  # fmt: skip


def budgets(threads: int) -> None:
    """How much of its time a search takes."""
    for allowed in (60, 120, 300):
        with tempfile.TemporaryDirectory() as out:
            began = time.perf_counter()
            found = hubel.search("digits", time=allowed, out=out, threads=threads, verbose=False)
            took = time.perf_counter() - began
            tell(time=allowed, took=round(took, 1), over=round(took / allowed - 1, 4), trials=len(found.trials))


def ranking(many: int, epochs: int, threads: int) -> None:
    """Do shared weights rank nets as training each does? Spearman's correlation over nets of all ranks."""
    with tempfile.TemporaryDirectory() as out:
        found = hubel.search("mnist", nets="enas", trials=2, trial_epochs=epochs, max_macs=1e12, out=out,
                             threads=threads, verbose=False, **MNIST)  # fmt: skip
        ranked = json.loads((found.folder / "shared.json").read_text())
        some = [ranked[round(place)] for place in np.linspace(0, len(ranked) - 1, many)]
        alone = []
        for path, shared in some:
            layers = NetSpace(kind="layers", side=28).layers({"net": genes_of(tuple(path))})
            run = hubel.train("mnist", model="layers", model_options={"layers": layers}, epochs=epochs, out=out,
                              threads=threads, verbose=False, **MNIST)  # fmt: skip
            alone.append(run.summary["best"]["val_accuracy"])
            tell(path=path, shared=shared, alone=alone[-1])
    told = spearmanr([shared for _, shared in some], alone)
    tell(claim="shared weights rank nets as training does: correlation >= 0.6", nets=many,
         correlation=float(told.statistic), p=float(told.pvalue))  # fmt: skip


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("digits", "nets", "methods", "budgets", "ranking"):
        words.add_argument(f"--{name}", action="store_true")
    words.add_argument("--data", default="")
    words.add_argument("--time", default="20m")
    words.add_argument("--seeds", type=int, default=3)
    words.add_argument("--trials", type=int, default=40)
    words.add_argument("--epochs", type=int, default=4)
    words.add_argument("--engine", default="random")
    words.add_argument("--threads", type=int, default=1)
    said = words.parse_args()
    if said.digits:
        digits(said.seeds, said.engine, said.threads)
    if said.nets:
        nets(said.trials, said.seeds, said.epochs, said.threads)
    if said.methods:
        methods(said.trials, said.epochs, said.threads)
    if said.data:
        against_training(said.data, said.time, said.seeds, said.threads)
    if said.budgets:
        budgets(said.threads)
    if said.ranking:
        ranking(said.trials, said.epochs, said.threads)


if __name__ == "__main__":
    main()
