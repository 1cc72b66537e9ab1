"""Chapter 8, Downhill: what the lectures print, and what is counted."""

# ruff: noqa: E501 (one row of the table, one line)

from __future__ import annotations

import math

from torch import nn

from hubel.book.fact import Fact
from hubel.book.facts.counting import message
from hubel.book.facts.workings import board, cleared, momentum, walk
from hubel.lessons.descent import descend
from hubel.lessons.expression import evaluate, parse
from hubel.nn.optimisers import build_optimiser
from hubel.training.schedules import exponential, inverse_time

FACTS: tuple[Fact, ...] = (
    Fact("W41", "loss after the step, to first order", "1.8615024089", lambda: round(1.8885011673 - 0.01 * 2.71583, 5), 1.86134, right=True, note="2.71583 is the squared length of the printed gradient; the second order makes up the 0.00016"),
    Fact("W42", "torch.randn(8), requires_grad=True) as printed", "runs", lambda: message("w = torch.randn(8), requires_grad=True)"), "SyntaxError: unmatched ')'", right=False, note="a bracket closes too early: torch.randn(8, requires_grad=True)"),
    Fact("W43", "the same without the last bracket", "runs", lambda: message("w = torch.randn(8), requires_grad=True").partition(".")[0].partition(":")[0], "SyntaxError", right=False, note="the call's bracket is missing"),
    Fact("W44", "share of starts that converge, rates 1 and 10", None, lambda: [round(math.erf(math.sqrt(8 / rate) / math.sqrt(2)) ** 8, 4) for rate in (1, 10)], [0.9632, 0.0245], note="asked, not answered: stable where |x| < √(8 / rate) for all eight"),
    Fact("W45", "how often in 100 rounds the line that clears the gradient is reached", "zeroes gradients", lambda: cleared(), 0, right=False, note="the parameters are made anew each round: their gradient is always None"),
    Fact("W79", "letter of the learning rate", "n", None, "η", right=False, reason="wording", note="n stands for η"),
    Fact("W80", "0.1 / t for t = 1 … 5", None, lambda: [round(0.1 * inverse_time(steps=9, steps_per_epoch=1)(t, ()), 4) for t in range(5)], [0.1, 0.05, 0.0333, 0.025, 0.02], note="not defined at t = 0: hubel counts from 1", command="hubel plot lr inverse-time"),
    Fact("W80", "0.1 e^(-0.1 t) for t = 0 … 4", None, lambda: [round(0.1 * exponential(steps=9, steps_per_epoch=1, decay=0.1)(t, ()), 4) for t in range(5)], [0.1, 0.0905, 0.0819, 0.0741, 0.067], command="hubel plot lr exponential"),
    Fact("W81", "w² from 2, β 0.9, rate 0.1, 20 steps: with θ - v", "descends", lambda: round(momentum(-1.0), 1), 4433.7, right=False, note="with v = βv - rate · gradient the step is θ + v"),
    Fact("W81", "with θ + v", None, lambda: round(momentum(1.0), 2), -0.7),
    Fact("W82", "usual β", 0.9, lambda: build_optimiser("momentum", nn.Linear(1, 1), lr=0.1).param_groups[0]["momentum"], 0.9, command="hubel components momentum"),
    Fact("W165", "slope of w² at its minimum", 0.0, lambda: evaluate(parse("w**2"), {"w": 0}).gradients["w"], 0.0),
    Fact("W166", "w² from -2, rate 0.5", [0, 0, 0], lambda: walk(-2, 0.5, 3), [0, 0, 0], command='hubel descent "w**2" w=-2 --lr 0.5 --steps 3'),
    Fact("W167", "from 2, rate 0.5", [0, 0, 0], lambda: walk(2, 0.5, 3), [0, 0, 0], command='hubel descent "w**2" w=2 --lr 0.5 --steps 3'),
    Fact("W168", "from 2, rate 0.25", [1, 0.5, 0.25, 0.125, 0.0625], lambda: walk(2, 0.25, 5), [1, 0.5, 0.25, 0.125, 0.0625], command='hubel descent "w**2" w=2 --lr 0.25 --steps 5'),
    Fact("W169", "from 2, rate 1", [-2, 2, -2, 2, -2], lambda: walk(2, 1, 5), [-2, 2, -2, 2, -2], command='hubel descent "w**2" w=2 --lr 1 --steps 5'),
    Fact("W169", "from 2, rate 1.1", None, lambda: [round(w, 3) for w in walk(2, 1.1, 5)], [-2.4, 2.88, -3.456, 4.147, -4.977], command='hubel descent "w**2" w=2 --lr 1.1 --steps 5'),
    Fact("W170", "\"w - 2w\" from 2 with rate 0.25", -2.0, lambda: walk(2, 0.25, 1)[0], 1.0, right=False, note="the rate is dropped: w - α · 2w"),
    Fact("W171", "w1² + w2² from (2, -4), rate 0.25", "w - α · slope, each", lambda: descend("w1**2 + w2**2", {"w1": 2, "w2": -4}, rate=0.25, steps=1).points[1].tolist(), [1.0, -2.0], command='hubel descent "w1**2 + w2**2" w1=2 w2=-4 --lr 0.25 --steps 1'),
    Fact("W172", "gradient of w3 (w1 + w2) at (-2, 5, -4): w3, w3, w1 + w2", [-4.0, -4.0, 3.0], lambda: board(0)[1], [-4.0, -4.0, 3.0], command='hubel trace "w3*(w1+w2)" w1=-2 w2=5 w3=-4'),
    Fact("W173", "its value", -12.0, lambda: board(0)[2], -12.0, command='hubel trace "w3*(w1+w2)" w1=-2 w2=5 w3=-4'),
    Fact("W173", "\"-4 + 3\" of the second slide", -12, lambda: int(evaluate(parse("a+b"), {"a": -4, "b": 3}).value), -1, right=False, note="a plus for a times"),
    Fact("W174", "backward", [-4, -4, 3], lambda: [int(g) for g in board(0)[1]], [-4, -4, 3]),
    Fact("W175", "weights after a step of rate 1, and the loss", [2, 9, -7, -77], lambda: [*map(int, board(1)[0]), int(board(1)[2])], [2, 9, -7, -77], command='hubel trace "w3*(w1+w2)" w1=-2 w2=5 w3=-4 --lr 1 --steps 2'),
    Fact("W176", "the second step", None, lambda: [*map(int, board(2)[0]), int(board(2)[2])], [9, 16, -18, -450], note="asked; the third is 27, 34, -43 with -2,623: no lower bound", command='hubel trace "w3*(w1+w2)" w1=-2 w2=5 w3=-4 --lr 1 --steps 3'),
    Fact("W177", "sigmoid(w0 x0 + w1 x1 + w2) with w = (2, -3, -3), x = (-1, -2)", None, lambda: round(evaluate(parse("sigmoid(a*x+b*y+c)"), {"a": 2, "x": -1, "b": -3, "y": -2, "c": -3}).value, 3), 0.731, note="the picture's numbers are lost; these are the ones the circuit is known by", command='hubel trace "sigmoid(a*x+b*y+c)" a=2 x=-1 b=-3 y=-2 c=-3'),
    Fact("W181", "updates in an epoch of 1.2 million pictures, batch 256", "B updates", lambda: math.ceil(1_200_000 / 256), 4688),
)  # fmt: skip
