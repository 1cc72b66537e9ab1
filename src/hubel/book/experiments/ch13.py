"""Chapter 13: transfer, features for others, classical ways."""

from __future__ import annotations

import copy
import time

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from hubel.book.bench import Digits, digits, fit, mlp, right, scores
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.experiments.ch01 import glyphs
from hubel.book.experiments.ch12 import body_of
from hubel.book.experiments.ch13_data import EXPERIMENTS as DATA
from hubel.book.plots import Lines, Listing
from hubel.book.shared import run_a
from hubel.book.verdicts import Finding, exact, more_in_mean, more_right, percent, together
from hubel.metrics.classification import confusion_matrix, most_confused, top_k_hits
from hubel.models import create_model
from hubel.runtime.seeds import seeded


def transfer(budget: Budget) -> Outcome:
    """A convnet that has learnt 0 to 4, and a few samples of 5 to 9: frozen, or from scratch."""
    data = digits(10_000 if budget.full else 3000, 2000)
    old, new, test = data.y < 5, data.y >= 5, data.test_y >= 5
    with seeded(160, 0):
        base = create_model("mnist_cnn", in_chans=1, num_classes=10, img_size=28)
    fit(base, data.x[old], data.y[old], steps=3 * budget.steps, seed=160)
    x, y, test_x, test_y = data.x[new], data.y[new], data.test_x[test], data.test_y[test]
    at = [25, 100, 400]
    hits: dict[str, list[np.ndarray]] = {"frozen": [], "scratch": []}
    for count in at:
        for way, found in hits.items():
            parts = []
            for seed in range(budget.seeds):
                rows = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:count]
                with seeded(161, seed):
                    net = create_model("mnist_cnn", in_chans=1, num_classes=10, img_size=28)
                if way == "frozen":
                    body = body_of(base)
                    head = net.dense
                    assert isinstance(head, nn.Module)
                    fit(head, scores(body, x[rows]), y[rows], steps=budget.steps, seed=seed, batch=32)
                    parts.append(right(head, scores(body, test_x), test_y))
                else:
                    fit(net, x[rows], y[rows], steps=budget.steps, seed=seed, batch=32)
                    parts.append(right(net, test_x, test_y))
            found.append(np.stack(parts))
    first = more_right(hits["frozen"][0], hits["scratch"][0], "25 samples, frozen beside scratch")
    rates = _rates(base, data)
    curves = {name: [float(h.mean()) for h in found] for name, found in hits.items()}
    return Outcome(
        {"E160": first, "E163": rates},
        (Lines("Right on 5 to 9 over samples of them", at, curves, "samples", share=True),), data.note, data.name,
    )  # fmt: skip


def _rates(base: nn.Module, data: Digits) -> Finding:
    x, y, test, truth = data.x, data.y, data.test_x, data.test_y
    kept = {}
    for name, rate in (("low", 2e-4), ("high", 2e-2)):
        net = copy.deepcopy(base)
        fit(net, x[y >= 5][:400], y[y >= 5][:400], steps=30, seed=163, lr=rate, batch=32)
        out = scores(net, test[truth < 5])[:, :5]
        kept[name] = (out.argmax(1) == truth[truth < 5]).numpy()
    return more_right(kept["low"], kept["high"], "old digits among themselves, rate 2e-4 beside 2e-2", by=0.05)


def extractor(budget: Budget) -> Outcome:
    """The convnet's features for other classifiers, and for letters."""
    model, data = run_a("mnist_cnn", budget)
    body, few = body_of(model), 1000
    spaces = {"pixels": (data.x[:few].flatten(1).numpy(), data.test_x.flatten(1).numpy()),
              "features": (scores(body, data.x[:few]).numpy(), scores(body, data.test_x).numpy())}  # fmt: skip
    y, truth = data.y[:few].numpy(), data.test_y.numpy()
    kinds = {"5 neighbours": KNeighborsClassifier(5), "tree": DecisionTreeClassifier(random_state=0, max_depth=8),
             "logistic": LogisticRegression(max_iter=100, C=0.1)}  # fmt: skip
    hits = {(k, s): c.fit(a, y).predict(b) == truth for s, (a, b) in spaces.items() for k, c in kinds.items()}
    pictures, labels = glyphs(12, 165)
    board = F.pad(torch.from_numpy(pictures).float()[:, None], (4, 4, 4, 4))
    order = np.random.RandomState(165).permutation(len(labels))
    learn, ask = order[:104], order[104:]
    with seeded(165, 0):
        fresh = create_model("mnist_cnn", in_chans=1, num_classes=10, img_size=28).eval()
    letters = {}
    for name, net in (("digits' features", body), ("untrained features", body_of(fresh))):
        given = scores(net, board).numpy()
        head = LogisticRegression(max_iter=200, C=1.0).fit(given[learn], labels[learn])
        letters[name] = head.predict(given[ask]) == labels[ask]
    rows = [[k, *(percent(hits[k, s].mean()) for s in spaces)] for k in kinds]
    return Outcome(
        {
            "E164": together([more_right(hits[k, "features"], hits[k, "pixels"], f"{k}, features beside pixels")
                              for k in kinds]),
            "E165": more_right(letters["digits' features"], letters["untrained features"], "26 letters from 104 "
                               "samples, features of the digit net beside an untrained one"),
        },
        (Listing("Right on test digits, learnt from 1,000", ["classifier", *spaces], rows),), data.note, data.name,
    )  # fmt: skip


def classical(budget: Budget) -> Outcome:
    """A table of 30 columns: logistic regression and an MLP, from 50 to 400 rows."""
    found = load_breast_cancer()
    gaps: list[float] = []
    curves: dict[str, list[float]] = {"logistic": [], "MLP": []}
    at = [50, 150, 400]
    for count in at:
        parts: dict[str, list[float]] = {"logistic": [], "MLP": []}
        for seed in range(5):
            order = np.random.RandomState(seed).permutation(len(found.target))
            train, test = order[:count], order[400:]
            scale = StandardScaler().fit(found.data[train])
            x, t = (scale.transform(found.data[rows]).astype(np.float32) for rows in (train, test))
            line = LogisticRegression(max_iter=500).fit(x, found.target[train])
            parts["logistic"].append(float(line.score(t, found.target[test])))
            with seeded(167, seed):
                net = mlp([30, 64, 64, 2])
            fit(net, torch.from_numpy(x), torch.from_numpy(found.target[train]), steps=150, seed=seed, batch=32)
            parts["MLP"].append(float(right(net, torch.from_numpy(t), torch.from_numpy(found.target[test])).mean()))
        if count == 50:
            gaps = [a - b for a, b in zip(parts["logistic"], parts["MLP"], strict=True)]
        for name, values in parts.items():
            curves[name].append(float(np.mean(values)))
    begun = time.perf_counter()
    line.predict(t[:1])
    taken = 1e3 * (time.perf_counter() - begun)
    size = sum(p.numel() for p in net.parameters())
    return Outcome(
        {"E167": together([more_in_mean(gaps, "50 rows, accuracy of logistic regression less MLP", by=-0.02),
                           exact(size > 10 * 31, f"31 numbers against {size:,}")])},
        (Lines("Right over rows of the table", at, curves, "rows", share=True),),
        f"Breast cancer table of scikit-learn, 169 rows for testing. One answer takes {taken:.1f} ms.",
    )  # fmt: skip


def confused(budget: Budget) -> Outcome:
    """Right at once, and among the best five; who is taken for whom."""
    model, data = run_a("mnist_mlp", budget)
    out, truth = scores(model, data.test_x).numpy(), data.test_y.numpy()
    one, five = top_k_hits(out, truth, 1), top_k_hits(out, truth, 5)
    pair = most_confused(confusion_matrix(truth, out.argmax(1), 10), 3)
    rows = [[f"{c.label} taken for {c.predicted}", c.count] for c in pair]
    worst = f"{pair[0].label} is most often taken for {pair[0].predicted}"
    return Outcome(
        {"E169": together([more_right(five.astype(bool), one.astype(bool), "among five beside at once"),
                           exact(pair[0].count > 0, worst)])},
        (Listing("Most confused", ["pair", "times"], rows),), data.note, data.name,
    )  # fmt: skip


EXPERIMENTS = (
    *DATA,
    Experiment(
        "13.1",
        "Few samples",
        ("E160", "E163"),
        "The convnet on 0 to 4, 180 steps (1,200 in full); then 25 to 400 samples of 5 to 9, 2 seeds.",
        transfer,
        Budget(90, seeds=3, steps=400, full=True),
        Budget(22, seeds=2, steps=60),
        "frozen features win with 25 samples, and a high rate costs the old task more than 5 points",
    ),
    Experiment(
        "13.2",
        "Features for others",
        ("E164", "E165"),
        "The trained digit convnet; three classifiers on 1,000 digits; letters.",
        extractor,
        Budget(60, full=True),
        Budget(20),
        "each is better on features, and letters are read better from them",
    ),
    Experiment(
        "13.3",
        "Tables",
        ("E167",),
        "Breast cancer table, 50 to 400 rows, 5 seeds; 30-64-64-2 for 150 steps.",
        classical,
        Budget(8),
        Budget(8),
        "with 50 rows logistic regression is not 2 points below the MLP, and it is far smaller",
    ),
    Experiment(
        "13.4",
        "Nearly right",
        ("E169",),
        "The trained digit MLP.",
        confused,
        Budget(30, full=True),
        Budget(8),
        "the true class is among five more often than first",
    ),
)
