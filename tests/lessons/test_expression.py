"""Formulas: the lecture's worked examples, and the same derivatives as autograd."""

from __future__ import annotations

import random

import pytest
import torch

from hubel.errors import UsageError
from hubel.lessons.expression import FUNCTIONS, evaluate, parse, trace


def test_w172_to_w176_the_example_on_the_board() -> None:
    # The second slide of W173 prints -4 + 3 = -12; it is a product. W176 is asked and not answered.
    steps = trace("L = w3*(w1+w2)", {"w1": -2, "w2": 5, "w3": -4}, rate=1, steps=4)
    order = ("w1", "w2", "w3")
    assert [step.value for step in steps] == [-12, -77, -450, -2623]
    assert [[step.gradients[n] for n in order] for step in steps[:2]] == [[-4, -4, 3], [-7, -7, 11]]
    assert [[step.updated[n] for n in order] for step in steps[:3]] == [[2, 9, -7], [9, 16, -18], [27, 34, -43]]


def test_w177_the_sigmoid_neuron_circuit() -> None:
    values = {"w0": 2, "x0": -1, "w1": -3, "x1": -2, "w2": -3}
    step = evaluate(parse("f = sigmoid(w0*x0 + w1*x1 + w2)"), values)
    assert step.value == pytest.approx(0.731, abs=5e-4)
    expected = {"w0": -0.197, "x0": 0.393, "w1": -0.393, "x1": -0.590, "w2": 0.197}
    assert step.gradients == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize(
    ("start", "rate", "expected"),
    [
        (-2, 0.5, [0, 0, 0]),  # W166
        (2, 0.5, [0, 0, 0]),  # W167
        (2, 0.25, [1, 0.5, 0.25, 0.125, 0.0625]),  # W168
        (2, 1, [-2, 2, -2, 2, -2]),  # W169
        (2, 1.1, [-2.4, 2.88, -3.456, 4.1472, -4.97664]),  # W169, extended: diverges
        (2, 0.1, [1.6, 1.28, 1.024, 0.8192, 0.65536]),
    ],
)
def test_w165_to_w170_descent_on_a_square(start: float, rate: float, expected: list[float]) -> None:
    # W170 prints w - 2w: the rate is missing there.
    steps = trace("w**2", {"w": start}, rate=rate, steps=len(expected))
    assert [step.updated["w"] for step in steps] == pytest.approx(expected)


def test_w1_and_w178_products_of_small_slopes_vanish_w179_of_large_ones_explode() -> None:
    assert evaluate(parse("a*a*a*a"), {"a": 0.05}).value == pytest.approx(6.25e-6)
    assert evaluate(parse("a**5"), {"a": 0.05}).value == pytest.approx(3.125e-7)
    assert evaluate(parse("a**5"), {"a": 15}).value == 759_375


def test_w2_the_slope_of_the_sigmoid_is_at_most_a_quarter() -> None:
    assert evaluate(parse("sigmoid(x)"), {"x": 0}).gradients == {"x": 0.25}
    assert evaluate(parse("sigmoid(x)"), {"x": 5}).gradients["x"] == pytest.approx(0.00665, abs=1e-5)


@pytest.mark.parametrize(("activation", "at_zero"), [("relu", 0), ("tanh", 0), ("sigmoid", 0.5)])
def test_w157_a_neuron_without_weights_answers_a_of_zero(activation: str, at_zero: float) -> None:
    # The lecture says 0 for every activation; a sigmoid says 0.5.
    neuron = parse(f"y = {activation}(w1*x1 + w2*x2)")
    assert evaluate(neuron, {"w1": 0, "x1": 3, "w2": 0, "x2": 5}).value == at_zero
    assert (
        evaluate(neuron, {"w1": 1, "x1": 3, "w2": 0, "x2": 5}).value
        == evaluate(parse(f"{activation}(x)"), {"x": 3}).value
    )


def random_formula(rng: random.Random, depth: int) -> str:
    if depth == 0 or rng.random() < 0.15:
        return rng.choice(["x", "y", "z", str(rng.randrange(1, 5))])
    a = random_formula(rng, depth - 1)
    kind = rng.random()
    if kind < 0.3:
        name = rng.choice(["exp", "sin", "cos", "tanh", "sigmoid", "relu", "abs"])
        return f"{name}({a} / 3)"
    if kind < 0.4:
        return f"-({a})"
    b = random_formula(rng, depth - 1)
    if kind < 0.5:
        return f"{rng.choice(['max', 'min'])}({a}, {b})"
    return f"({a}) {rng.choice(['+', '-', '*'])} ({b})" if kind < 0.9 else f"({a}) / ({b} + 20)"


def by_autograd(text: str, values: dict[str, float]) -> tuple[float, dict[str, float]]:
    """The same formula, computed by torch."""
    names = {name: torch.tensor(v, dtype=torch.float64, requires_grad=True) for name, v in values.items()}

    def tensor(x: object) -> torch.Tensor:
        return x if isinstance(x, torch.Tensor) else torch.tensor(float(x), dtype=torch.float64)  # type: ignore[arg-type]

    def lifted(name: str) -> object:
        return lambda x: getattr(torch, name)(tensor(x))

    known = {name: lifted(name) for name in FUNCTIONS if name not in ("max", "min")}
    known["max"] = lambda a, b: tensor(a) if tensor(a) >= tensor(b) else tensor(b)
    known["min"] = lambda a, b: tensor(a) if tensor(a) <= tensor(b) else tensor(b)
    result = tensor(eval(text, {"__builtins__": {}}, {**known, **names}))
    if not result.requires_grad:
        return float(result), {}
    grads = torch.autograd.grad(result, list(names.values()), allow_unused=True)
    return float(result.detach()), {n: float(g) for n, g in zip(names, grads, strict=True) if g is not None}


def test_two_hundred_random_formulas_agree_with_autograd() -> None:
    compared = 0
    for seed in range(200):
        rng = random.Random(seed)
        text = random_formula(rng, 4)
        formula = parse(text)
        values = {name: rng.uniform(-2, 2) for name in formula.variables}
        if not values:
            continue
        step = evaluate(formula, values)
        value, gradients = by_autograd(text, values)
        assert step.value == pytest.approx(value, rel=1e-9, abs=1e-9), text
        for name, gradient in gradients.items():
            assert step.gradients[name] == pytest.approx(gradient, rel=1e-7, abs=1e-9), text
        compared += 1
    assert compared > 150


def test_a_variable_used_twice_collects_both_gradients() -> None:
    assert evaluate(parse("z = x*y; L = z + x"), {"x": 3, "y": 4}).gradients == {"x": 5, "y": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("__import__('os').system('true')", "Call is not allowed"),
        ("open('x')", "unknown function 'open'"),
        ("sigmod(x)", "did you mean 'sigmoid'"),
        ("x.real", "Attribute is not allowed"),
        ("[x for x in y]", "ListComp is not allowed"),
        ("(lambda: 1)()", "Call is not allowed"),
        ("x if y else z", "IfExp is not allowed"),
        ("'a'*9", "Constant is not allowed"),
        ("True + x", "Constant is not allowed"),
        ("x +", "is not a formula"),
        ("a b = x", "must stand one name"),
        ("", "is empty"),
        ("max(x)", "max takes 2"),
        ("x" * 2001, "at most 2000 characters"),
        ("(" * 300 + "x" + ")" * 300, "is not a formula"),
        ("+".join("x" * 300), "at most 200 numbers, names and operators"),
        ("9" * 1999, "has no value|not a formula|too large"),
    ],
)
def test_what_is_no_formula_is_refused_without_being_run(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        evaluate(parse(text), {"x": 1.0})


@pytest.mark.parametrize(
    ("text", "values", "message"),
    [
        ("1/x", {"x": 0}, "has no value"),
        ("log(x)", {"x": -1}, "has no value"),
        ("x**0.5", {"x": -1}, "has no value"),
        ("9**9**9**x", {"x": 9}, "has no value"),
        ("x*y", {"x": 1}, "no value for y"),
        ("x", {"x": 1, "q": 2}, "has no variable 'q'"),
    ],
)
def test_values_that_cannot_be_are_explained(text: str, values: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        evaluate(parse(text), values)
