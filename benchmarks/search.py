"""What a search is worth: settings within so many epochs, time held, nets found within LeNet-5's arithmetic.

    python benchmarks/search.py --digits --seeds 10 [--engine tpe]         six settings of an MLP, 216 epochs in all
    python benchmarks/search.py --time 20m --data CIFAR_FOLDER --seeds 3   against plain hubel train given the same time
    python benchmarks/search.py --time 20m --data CIFAR_FOLDER --peer      and against Keras Tuner given it, too
    python benchmarks/search.py --nets --trials 60 --seeds 5               evolution on MNIST-10k within LeNet-5's MACs
    python benchmarks/search.py --methods --trials 36                      each way of searching nets on MNIST-10k
    python benchmarks/search.py --budgets                                  how well --time is held: 60 s, 120 s, 300 s
    python benchmarks/search.py --ranking --trials 50                      one net for all against training each net

Validation and test accuracy of the winner, a JSON line a seed, then a summary. Nets: the winner and LeNet-5 train anew
with the same recipe and five seeds each; a win is a difference above the spread of both. The peer is that of
benchmarks/search_peer.py, by the interpreter HUBEL_PEER_KERASTUNER (made by benchmarks/peers.py).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

import hubel
from hubel.assembly.together import computing
from hubel.checkpoint import ModelSpec
from hubel.nn.modes import evaluating
from hubel.recipes.schema import compose
from hubel.searching.limits import count
from hubel.searching.nets.engines import HOW
from hubel.searching.nets.paths import PathSpace
from hubel.searching.nets.spaces import usual_text
from hubel.searching.shared import OnePlan, judge_paths, labels_of, seen_of, train_one
from hubel.searching.workshop import Workshop
from hubel.store.documents import read_yaml
from hubel.training.loop import fit
from hubel.watching import SILENT

SIX = {
    "lr": "1e-4..1e-1:log",
    "batch_size": "16..128",
    "weight_decay": "1e-5..1e-1:log",
    "label_smoothing": [0.0, 0.05, 0.1],
    "mlp.hidden": [[32], [64], [128], [256], [64, 64], [256, 128]],
    "mlp.dropout": [0.0, 0.1, 0.3],
}
EPOCHS, FULL, GOAL = 216, 18, 0.97
SIDE = 16
"""Pixels of a picture in the ranking."""
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
    for how in HOW:
        for cells in (False, True) if how in ("random", "evolution") else (False,):
            with tempfile.TemporaryDirectory() as out:
                found = hubel.search("mnist", nets=how, cells=cells, trials=trials, trial_epochs=epochs, out=out,
                                     threads=threads, verbose=False, **MNIST)  # fmt: skip
                scores = [trial.score or 0.0 for trial in found.trials if trial.values and not trial.again]
                tell(how=how, cells=cells, best=max(scores), mean_of_last_third=statistics.fmean(
                    scores[-len(scores) // 3 :]), test=hubel.Run(found.best).summary["test"]["accuracy"],
                    parameters=next(t.params for t in found.trials if t.folder == found.winner),
                    minutes=round(found.seconds / 60, 2))  # fmt: skip


def against_training(data: str, allowed: str, seeds: range, threads: int, peer: bool) -> None:
    """A search and a plain training, given the same time; with `peer` Keras Tuner, too."""
    for seed in seeds:
        with tempfile.TemporaryDirectory() as out:
            found = hubel.search(data, time=allowed, seed=seed, out=out, threads=threads, verbose=False)
            plain = hubel.train(data, time=allowed, seed=seed, out=out, threads=threads, verbose=False)
            tell(data=data, time=allowed, seed=seed, search=hubel.Run(found.best).summary["test"]["accuracy"],
                 train=plain.summary["test"]["accuracy"], trials=len(found.trials), seconds=found.seconds)  # fmt: skip
        if peer:
            print(by_keras_tuner(data, allowed, seed, threads), flush=True)


def by_keras_tuner(data: str, allowed: str, seed: int, threads: int) -> str:
    """The line of the peer, or one that says why there is none."""
    python, script = os.environ.get("HUBEL_PEER_KERASTUNER"), Path(__file__).with_name("search_peer.py")
    if not python:
        return json.dumps({"side": "keras-tuner", "left_out": "HUBEL_PEER_KERASTUNER names no interpreter"})
    words = [python, str(script), data, "--time", allowed, "--threads", str(threads), "--seed", str(seed)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"Keras Tuner failed:\n{done.stderr}")
    return done.stdout.splitlines()[-1]


def budgets(threads: int) -> None:
    """How much of its time a search takes."""
    for allowed in (60, 120, 300):
        with tempfile.TemporaryDirectory() as out:
            began = time.perf_counter()
            found = hubel.search("digits", time=allowed, out=out, threads=threads, verbose=False)
            took = time.perf_counter() - began
            tell(time=allowed, took=round(took, 1), over=round(took / allowed - 1, 4), trials=len(found.trials))


def ranking(many: int, epochs: int, threads: int) -> None:
    """Does one net that holds all nets rank them as training each does? Over nets drawn evenly, with an interval.

    Pictures of 16 pixels a side, 2,000 to learn from, so that fifty nets take minutes; nets are compared on 4,000
    further training pictures, so that neither a lucky picture nor the test split has a say. Every net is trained by the
    recipe and the loop of a trial, without what belongs to a run: no report, no baseline, no temperature.
    """
    given = {"data": "mnist", "limit": 2000, "img_size": [SIDE, SIDE], "val_fraction": 0.01, "batch_size": 32,
             "threads": threads, "device": "cpu", "augment": ["none"], "views": "none"}  # fmt: skip
    space = replace(PathSpace.read(read_yaml(usual_text("paths"))), side=SIDE)
    with computing(compose(given)):
        shop = Workshop(given, SILENT)
        held = np.setdiff1d(shop.first.splits.ids("train"), shop.first.ids("train"))[:4000]
        random = Random("0/ranked")
        paths = list(dict.fromkeys(space.draw_path(random) for _ in range(2 * many)))[:many]
        began = time.process_time()
        said: dict[str, list[float]] = {}
        for called, how, even in (("drawn evenly", "enas", True), ("ENAS", "enas", False), ("SMASH", "smash", True)):
            net, *_ = train_one(OnePlan(how, space, epochs=60, even=even), shop, lambda share: True)
            said[called] = judge_paths(net, paths, shop, held[:2000])
            tell(how=called, seconds_of_core=round(time.process_time() - began, 1), mean=statistics.fmean(said[called]))
        alone = []
        for place, path in enumerate(paths):
            layers = space.layers({"net": space.genes_of(path)})
            recipe = shop.recipe({"model": "layers", "model_options": {"layers": layers}}, epochs=epochs)
            training = shop.ready(recipe).training
            for _ in fit(training):
                pass
            with evaluating(training.model):
                hits = [training.model(seen_of(shop, part)).argmax(1) == labels_of(shop, part)
                        for part in np.array_split(held, 8)]  # fmt: skip
            alone.append(float(torch.cat(hits).float().mean()))
            tell(path=path, alone=alone[-1], **{called: scores[place] for called, scores in said.items()})
    seconds = round(time.process_time() - began, 1)
    for called, scores in said.items():
        found = rank_interval(scores, alone)
        tell(claim=f"one net ({called}) ranks nets as training does: correlation >= 0.6", nets=many, **found,
             seconds_of_core=seconds)  # fmt: skip


def rank_interval(ours: list[float], theirs: list[float]) -> dict[str, float]:
    """Spearman's correlation and its 95 % interval: nets drawn with repeats, 10,000 times."""
    random, pairs = np.random.default_rng(0), np.column_stack([ours, theirs])
    drawn = [pairs[random.integers(0, len(pairs), len(pairs))] for _ in range(10_000)]
    low, high = np.nanquantile([spearmanr(*some.T).statistic for some in drawn], (0.025, 0.975))
    return {"correlation": float(spearmanr(ours, theirs).statistic), "low": float(low), "high": float(high)}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("digits", "nets", "methods", "budgets", "ranking"):
        words.add_argument(f"--{name}", action="store_true")
    words.add_argument("--peer", action="store_true", help="with --data: Keras Tuner beside it")
    words.add_argument("--data", default="")
    words.add_argument("--time", default="20m")
    words.add_argument("--seeds", type=int, default=3)
    words.add_argument("--first-seed", type=int, default=0, help="with --data: of the seeds, which follow one another")
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
        seeds = range(said.first_seed, said.first_seed + said.seeds)
        against_training(said.data, said.time, seeds, said.threads, said.peer)
    if said.budgets:
        budgets(said.threads)
    if said.ranking:
        ranking(said.trials, said.epochs, said.threads)


if __name__ == "__main__":
    main()
