"""Nets from layer lists: the plan, its checks, the built net and the printed program say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from hubel.errors import UsageError
from hubel.models import create_model, resolve
from hubel.models.layerlist import parse, read
from hubel.models.layers import LayerNet, to_code
from hubel.models.layerwords import LAYERS

LISTS: dict[str, list[Any]] = {
    "digits": [
        "conv 32 3x3", "relu", "maxpool 2", "conv 64 3x3", "relu", "maxpool 2", "flatten", "dropout 0.5", "dense K",
    ],
    "every window": [
        "conv 8 5x3 stride=2 padding=same", "depthwise 3 padding=1", "separable 8 3x3", "transposed 6 2x2",
        "upsample 2", "maxpool 3 stride=2 padding=1", "avgpool 2x1", "minpool 2",
        "conv 8 3 dilation=2 padding=same groups=2 bias=no", "adaptive 3x2", "flatten", "dense K bias=no",
    ],
    "norms and acts": [
        "conv 12 3", "batchnorm", "leaky-relu negative_slope=0.2", "groupnorm 3", "lrn 5", "prelu", "layernorm",
        "elu alpha=0.5", "conv 8 1", "maxout 2", "shuffle 2", "squeeze_excite 2", "dropout2d 0.1", "globalpool",
        "batchnorm", "alphadropout 0.1", "dense 6", "maxout 3", "tanh", "dense K",
    ],
    "rarer layers": [
        "spatial 6 3", "relu", "pixelnorm", "standardised 8 3 padding=same", "relu", "spatial 4 5", "globalmax",
        "dense K",
    ],
    "blocks": [
        "conv 8 3 padding=same", {"repeat 2": [{"residual": ["conv 8 3 padding=same", "relu"]}]},
        {"residual": ["conv 12 3 stride=2 padding=same"]}, {"concat": ["conv 4 3 padding=same"]},
        {"branches": [["conv 2 1"], ["conv 2 1", {"residual": ["relu"]}], ["maxpool 3 stride=1 padding=1"]]},
        "conv K 1x1", "globalpool",
    ],
}  # fmt: skip


@pytest.mark.parametrize("layers", LISTS.values(), ids=LISTS)
def test_the_plan_predicts_every_shape_of_the_net(layers: list[Any]) -> None:
    plan = parse(layers, in_shape=(2, 20, 18), num_classes=5)
    net = LayerNet(plan).eval()
    x = torch.randn(3, 2, 20, 18)
    for step, module in zip(plan.steps, net.children(), strict=True):
        x = module(x)
        assert tuple(x.shape[1:]) == step.shape, step
    assert x.shape == (3, 5)
    assert {*net.stages, net.head} <= {name for name, _ in net.named_modules()}


@pytest.mark.parametrize("layers", LISTS.values(), ids=LISTS)
def test_the_printed_program_runs_and_is_the_same_net(layers: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    plan = parse(layers, in_shape=(2, 20, 18), num_classes=5)
    net = LayerNet(plan)
    code = to_code(plan)
    assert "hubel" not in code
    world: dict[str, Any] = {"__name__": "program"}
    exec(code, world)  # what the user would run
    assert capsys.readouterr().out.strip() == "torch.Size([2, 5])"
    program = world["net"]
    program.load_state_dict(net.state_dict())
    x = torch.randn(3, 2, 20, 18)
    assert torch.equal(net.eval()(x), program.eval()(x))


def test_the_readme_list_is_the_published_digit_net_of_34_826_parameters() -> None:
    net = create_model(LISTS["digits"], num_classes=10, in_chans=1, img_size=28)
    assert sum(p.numel() for p in net.parameters()) == 34_826
    assert net.stages == ("maxpool1", "maxpool2")
    assert net.head == "dense1"


def test_a_yaml_file_a_python_list_and_the_resolved_pair_are_the_same_net(tmp_path: Path) -> None:
    file = tmp_path / "my-net.yaml"
    file.write_text("layers: [conv 4 3x3, relu, {residual: [conv 4 3x3 padding=same]}, flatten, dense 3]\n")
    name, options = resolve(str(file), {})
    assert name == "layers"
    nets = [
        create_model(model, num_classes=classes, in_chans=1, img_size=8, **more)
        for model, classes, more in ((str(file), None, {}), (read(file), 3, {}), (name, 3, options))
    ]
    keys = [{key: value.shape for key, value in net.state_dict().items()} for net in nets]
    assert keys[0] == keys[1] == keys[2]


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        (
            ["conv 32 3y3", "flatten", "dense K"],
            r"layer 1 'conv 32 3y3': the window must be a whole number .* got '3y3'",
        ),
        (["relu", "conv"], r"layer 2 'conv': it lacks maps\n  write: conv MAPS \[size\] \[stride=\]"),
        (["conv 8 strides=2"], r"no option 'strides'\n  did you mean 'stride'"),
        (["convv 8"], r"layer 1 'convv 8': there is no layer 'convv'\n  did you mean 'conv'"),
        (
            ["conv 8", "dense K"],
            r"layer 2 'dense K': it takes a vector, and maps of shape 8x26x26 came\n  put flatten or",
        ),
        (["flatten", "dense K", "softmax"], r"the last layer 'softmax' is not needed: the loss applies it"),
        (["conv 8"], r"gives maps of 8x26x26, not a number per class\n  end with 'flatten, dense K'"),
        (["flatten", "conv 8"], r"layer 2 'conv 8': it works on maps, and after flatten there are none"),
        (["flatten", "dense 5"], r"ends in 5 outputs, and 10 classes are wanted\n  write K"),
        ([{"residual": ["conv 8"]}], r"maps of 28x28 become 26x26, which no stride gives\n  use padding=same"),
        ([{"repeat 2": ["maxpool 4", "conv 8 5x5"]}], r"layer 1\.1 'maxpool 4': a window of 4x4 .* maps of 3x3"),
        (["conv 8 3 4 5"], "too many values"),
        ("conv 8", "a list of layers was expected"),
        ([3], r"layer 1: a layer is a text"),
        ([], "a list of layers was expected"),
        (["flatten"], "no layer of the list has weights|ends in 784 outputs"),
        (["dropout 1.5"], "the rate must be at least 0 and below 1, got 1.5"),
        ([{"repeat 0": ["relu"]}], "repeat needs how often, 1 to 1000"),
        ([{"conv 8": ["relu"]}], "it cannot hold other layers"),
        ([{"branches": [["conv 3"], ["conv 3 5"]]}], "the paths give maps of 24x24 and 26x26"),
        (["step", "flatten", "dense K"], "its derivative is 0"),
        (["conv 8 groups=3"], "groups=3 must divide 1 channels in and 8 out"),
        (["conv 8 2 padding=same"], "padding=same needs an odd window"),
    ],
)
def test_a_misfit_names_the_layer_and_a_way_out(layers: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse(layers, in_shape=(1, 28, 28), num_classes=10)


def test_nesting_and_repetition_are_bounded() -> None:
    deep: Any = ["relu"]
    for _ in range(40):
        deep = [{"residual": deep}]
    with pytest.raises(UsageError, match="nested more than 8 deep"):
        parse(deep, in_shape=(1, 8, 8), num_classes=2)
    wide: Any = ["relu"]
    for _ in range(5):
        wide = [{"repeat 1000": wide}]
    with pytest.raises(UsageError, match="more than 10,000 layers"):
        parse(wide, in_shape=(1, 8, 8), num_classes=2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("layers: [conv 8", "is not YAML"),
        ("a: &x [relu]\nb: *x", "anchors"),
        ("layer: [relu]", "has a key 'layer'"),
        ("layers: {}", "holds no list of layers"),
        ("!!python/object/apply:os.system ['true']", "is not YAML"),
    ],
)
def test_a_file_that_is_no_layer_list_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "net.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=said):
        create_model(str(file))


def test_a_missing_file_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="there is no layer list"):
        create_model("nowhere.yaml")


def test_every_word_says_what_it_does() -> None:
    assert all(layer.__doc__ for layer in LAYERS.values())


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        (
            ["conv 1000000 3x3", "conv 1000000 3x3 padding=same", "globalpool", "dense K"],
            "it would learn 9,000,000,000",
        ),
        (["flatten", "dense 999999999", "dense 999999999", "dense K"], "it would learn 511,999,999,488"),
        (["upsample 9000", "upsample 9000", "globalpool", "dense K"], "values of one picture, and 68,719"),
        (
            [{"concat": ["conv 8 1x1"]}] + [{"branches": [["relu"]] * 2}] * 60 + ["globalpool", "dense K"],
            "values of one",
        ),
        ([{"branches": [["relu"]] * 20_000}, "globalpool", "dense K"], "unfolds to more than 10,000 layers"),
        ([{"repeat 1000": [{"residual": [{"repeat 1000": ["relu"]}]}]}, "dense K"], "unfolds to more than 10,000"),
    ],
)
def test_what_no_machine_holds_is_counted_while_the_list_is_read(layers: list[Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse(layers, in_shape=(8, 8, 8), num_classes=3)
