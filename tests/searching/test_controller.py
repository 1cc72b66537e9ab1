"""A controller writes nets word by word and learns what they were worth; kernels may be said by another net."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from random import Random

import pytest
import torch

from hubel.cli.completion import candidates
from hubel.cli.search import WAYS
from hubel.searching.nets.controller import Controller, Reinforced
from hubel.searching.nets.engines import HOW
from hubel.searching.nets.genes import without_dense
from hubel.searching.nets.macro import LayerSpace
from hubel.searching.nets.one_shot import Shared, new_pupil, sentence_of, written_by
from hubel.searching.nets.paths import PathSpace
from hubel.searching.nets.reinforce import genes_said, may_follow, words_in, words_of
from hubel.searching.nets.smash import Generated
from hubel.searching.nets.spaces import usual_nets


def paths(side: int) -> PathSpace:
    space = usual_nets("paths")
    assert isinstance(space, PathSpace)
    return replace(space, side=side)


def two_words(words: Sequence[str]) -> tuple[str, ...]:
    return ("a", "b", "c")[: 3 - len(words)] if len(words) < 2 else ()


SENTENCES = list(product("abc", "ab"))


def chance_of(controller: Controller, words: Sequence[str]) -> float:
    return float(controller.judge(words, two_words)[0].detach().exp())


def test_its_sentences_have_the_probabilities_that_it_says() -> None:
    torch.manual_seed(0)
    controller = Controller("abc")
    for parameter in controller.parameters():
        parameter.data *= 10
    said = {words: chance_of(controller, words) for words in SENTENCES}
    assert sum(said.values()) == pytest.approx(1)
    drawn = Counter(tuple(controller.write(two_words, Random(number))) for number in range(600))
    for words, chance in said.items():
        assert abs(drawn[words] - 600 * chance) < 4 * math.sqrt(600 * chance) + 1


@pytest.mark.parametrize("baseline", [0.0, 0.4])
def test_what_it_learns_from_is_the_gradient_of_what_it_expects(baseline: float) -> None:
    """Over all sentences, weighted by their probabilities; whatever the baseline, which only calms it."""
    torch.manual_seed(1)
    controller = Controller("abc")
    worth = {words: 0.3 * words.count("a") + 0.1 * words.count("b") for words in SENTENCES}
    expected = torch.stack([controller.judge(w, two_words)[0].exp() * worth[w] for w in SENTENCES]).sum()
    want = torch.autograd.grad(expected, list(controller.parameters()))
    got = [torch.zeros_like(parameter) for parameter in controller.parameters()]
    for words in SENTENCES:
        pupil = Reinforced(controller, two_words, rate=0.0)
        pupil.baseline = baseline
        chance = chance_of(controller, words)
        pupil.learn(words, worth[words])
        for total, parameter in zip(got, controller.parameters(), strict=True):
            total -= chance * (torch.zeros_like(parameter) if parameter.grad is None else parameter.grad)
        assert pupil.baseline == pytest.approx(0.9 * baseline + 0.1 * worth[words])
    for mine, theirs in zip(got, want, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-3)


def test_every_net_is_a_sentence_and_every_sentence_a_net() -> None:
    space, random = replace(usual_nets("layers"), side=28), Random(0)
    assert isinstance(space, LayerSpace)
    torch.manual_seed(0)
    controller = Controller(words_in(space))
    for _ in range(30):
        genes = without_dense(space.draw(random)["net"])  # as in the paper
        words = words_of(genes, space)
        assert genes_said(words) == genes
        assert all(word in may_follow(words[:place], space) for place, word in enumerate(words))
        assert may_follow(words, space) == ()
        written = controller.write(lambda words: may_follow(words, space), random)
        assert words_of(genes_said(written), space) == written
        assert space.layers({"net": genes_said(written)})[-1] == "dense K"


def test_a_controller_of_paths_writes_what_was_worth_more() -> None:
    torch.manual_seed(0)
    pupil, random = new_pupil(paths(16)), Random(0)
    for _ in range(150):
        path = written_by(pupil.controller, paths(16), random)
        pupil.learn(sentence_of(path), sum(choice == "sep 5" for choice in path) / len(path))
    written = [written_by(pupil.controller, paths(16), random) for _ in range(20)]
    assert sum(path.count("sep 5") for path in written) > 0.5 * 20 * 6, "by chance a fifth"


def test_generated_kernels_of_one_part_are_a_net_of_shared_weights() -> None:
    torch.manual_seed(3)
    net, random = Generated(paths(8), 1, 10), Random(3)
    with torch.no_grad():
        net.mix.weight.zero_()
        net.mix.bias.copy_(torch.tensor([2.0, 0.0, 0.0, 0.0]).repeat(4))
    alone = Shared(paths(8), 1, 10)
    alone.load_state_dict(net.body.state_dict())
    for _ in range(4):
        path = paths(8).draw_path(random)
        pictures = torch.randn(4, 1, 8, 8)
        torch.testing.assert_close(net(pictures, path), alone(pictures, path), atol=1e-5, rtol=1e-4)


def test_the_error_of_a_path_teaches_the_hypernet_and_only_the_kernels_of_that_path() -> None:
    torch.manual_seed(0)
    net = Generated(paths(8), 1, 10)
    path = ("conv 3", "none", "sep 5", "res 3")
    net(torch.randn(4, 1, 8, 8), path).square().sum().backward()
    learnt = {name for name, parameter in net.named_parameters() if parameter.grad is not None}
    assert {"read.weight", "mix.weight", "body.head.weight"} <= learnt
    kernels = {name.split("/")[1] + " " + name.split("/")[2] for name in learnt if name.startswith("basis")}
    assert kernels == {"0 conv 3", "2 sep 5", "3 res 3"}


def test_all_ways_are_said_in_the_help_and_completed() -> None:
    assert WAYS == HOW
    assert candidates(["search", "mnist", "--nets", "re"]) == ["reinforce"]
    assert candidates(["search", "mnist", "--nets", ""]) == sorted(HOW)
