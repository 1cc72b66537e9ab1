"""Recording: every operation is seen, on shapes alone, and the model stays as it was."""

from __future__ import annotations

import math
import resource

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hubel.anatomy.abstract import build, skeleton
from hubel.anatomy.graph import abstract_input, abstract_weights, record
from hubel.anatomy.summary import summarise
from hubel.errors import HubelError, UsageError
from hubel.models import card, create_model, list_models


def by_torch(model: nn.Module, shape: tuple[int, ...]) -> int:
    """FLOPs by torch's own counter, on the meta device."""
    # In inference mode: under no_grad the counter trips over views of weights.
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        torch.func.functional_call(model.eval(), abstract_weights(model), abstract_input(shape, 1))
    return int(counter.get_total_flops())


def catalogue() -> list[object]:
    """Every net; the cheapest of each family always, the others among the slow proofs."""
    families: dict[str, list[str]] = {}
    for name in list_models():
        if name != "layers":
            families.setdefault(card(name).builder_at.partition(":")[0], []).append(name)
    quick = {min(names, key=lambda name: card(name).macs or 0) for names in families.values()}
    return [
        pytest.param(name, marks=() if name in quick else pytest.mark.slow)
        for name in list_models()
        if name != "layers"
    ]


@pytest.mark.parametrize("name", catalogue())
def test_every_net_of_the_catalogue_costs_what_torch_counts(name: str) -> None:
    entry = card(name)
    size = entry.img_size
    height, width = size if isinstance(size, tuple) else (size, size)
    model = build(lambda: create_model(name, in_chans=entry.in_chans))
    shape = (entry.in_chans,) if height is None else (entry.in_chans, height, width)
    graph = record(model, shape)
    assert 2 * graph.macs == by_torch(model, shape)
    if entry.params is not None:
        table = summarise(model, shape)
        assert table.params == entry.params
        assert not table.partial


@pytest.mark.parametrize("name", ["mnist_cnn", "resnet18", "lenet5"])
def test_shapes_are_those_of_a_real_pass(name: str) -> None:
    entry = card(name)
    model = create_model(name, in_chans=entry.in_chans).eval()
    size = entry.img_size if isinstance(entry.img_size, int) else 32
    seen: dict[str, tuple[int, ...]] = {}
    for path, module in model.named_modules():
        module.register_forward_hook(lambda m, i, o, path=path: seen.update({path: tuple(o.shape)}))
    model(torch.zeros(2, entry.in_chans, size, size))
    graph = record(model, (entry.in_chans, size, size), batch=2)
    ours = {call.module: graph.values[call.outputs[0]].shape for call in graph.calls}
    assert ours == seen


class Functional(nn.Module):
    """Weights of its own, used by functions: no sub-module is called at all."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.ones(4, 3, 3, 3))
        self.dense = nn.Parameter(torch.ones(10, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.conv2d(x, self.kernel, padding=1).relu()
        x = x.mean((2, 3))
        return torch.einsum("bc,kc->bk", x, self.dense)


def test_functional_calls_count_like_modules() -> None:
    table = summarise(Functional(), (3, 8, 8))
    assert table.macs == 8 * 8 * 4 * 27 + 40
    assert table.params == 4 * 27 + 40
    assert [row.kind for row in table.rows if row.macs] == ["conv2d", "bmm"]


def test_attention_counts_projections_and_both_products() -> None:
    model = nn.TransformerEncoderLayer(64, 4, 256, batch_first=True)
    graph = record(model, torch.empty(2, 10, 64))
    projections = 10 * 64 * (3 * 64 + 64 + 256 + 256)
    assert graph.macs == 2 * (projections + 2 * 10 * 10 * 64)
    assert 2 * graph.macs == by_torch_on(model, torch.empty(2, 10, 64))


def by_torch_on(model: nn.Module, tensor: torch.Tensor) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        torch.func.functional_call(model.train(), abstract_weights(model), abstract_input(tensor, 1))
    return int(counter.get_total_flops())


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (nn.Sequential(nn.Conv1d(3, 8, 5, stride=2, groups=1), nn.Flatten(), nn.Linear(8 * 14, 2)), (3, 31)),
        (nn.Conv3d(2, 4, 3, padding=1, dilation=2), (2, 8, 9, 10)),
        (nn.Sequential(nn.ConvTranspose2d(4, 6, 4, 2, 1, groups=2), nn.Conv2d(6, 6, 3, groups=6)), (4, 7, 9)),
        (nn.Sequential(nn.Conv2d(3, 8, 3, padding="same", dilation=2), nn.GroupNorm(2, 8), nn.PReLU(8)), (3, 12, 10)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_shapes_and_costs_agree_with_torch_for_other_layers(model: nn.Module, shape: tuple[int, ...]) -> None:
    graph = record(model, shape, batch=2)
    real = model(torch.zeros(2, *shape))
    real = real[0] if isinstance(real, tuple) else real
    assert graph.values[graph.outputs[0]].shape == tuple(real.shape)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(2, *shape))
    assert 2 * graph.macs == counter.get_total_flops()


def test_recurrent_nets_are_taken_apart_into_their_products() -> None:
    # torch's own counter sees nothing here where a fused kernel does the work.
    table = summarise(nn.LSTM(5, 7, num_layers=2, batch_first=True), (11, 5), batch=2)
    assert table.macs == 2 * 11 * 4 * 7 * ((5 + 7) + (7 + 7))
    assert table.params == sum(p.numel() for p in nn.LSTM(5, 7, num_layers=2).parameters())


def test_the_model_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout()).train()
    model[1].eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    record(model, (3, 8, 8), batch=4, train=True)
    summarise(model, (3, 8, 8))
    assert [module.training for module in model] == [True, False, True]
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(p.grad is None and p.device.type == "cpu" for p in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_shared_weights_count_once_and_both_uses_cost() -> None:
    shared = nn.Linear(8, 8)
    table = summarise(nn.Sequential(shared, nn.ReLU(), shared), (8,))
    assert (table.params, table.macs) == (72, 128)
    assert [(row.name, row.params) for row in table.rows] == [("0", 72), ("1", 0), ("0(2)", 0)]


def test_frozen_weights_and_buffers_are_told_apart() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    model[0].requires_grad_(False)
    table = summarise(model, (1, 8, 8))
    assert (table.params, table.trainable, table.buffers) == (24, 4, 5)
    assert "frozen 20" in table.totals()[0]


def test_unused_weights_are_mentioned() -> None:
    model = nn.Sequential(nn.Linear(4, 4))
    model.spare = nn.Linear(5, 5)
    model.forward = lambda x: model[0](x)  # type: ignore[method-assign]
    assert any("30 parameters are not used" in line for line in summarise(model, (4,)).totals())


class Decides(nn.Module):
    """Control flow on data."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        if x.sum() > 0:
            x = -x
        return self.second(x)


def test_a_path_that_depends_on_data_gives_a_partial_table_that_says_so() -> None:
    table = summarise(Decides(), (4,))
    assert [row.name for row in table.rows if row.macs] == ["first"]
    assert "depends on the data" in table.partial
    assert table.totals()[0].startswith("PARTIAL: the model (Decides) needs the value of a tensor")
    assert "PARTIAL" in table.to_markdown()
    with pytest.raises(UsageError, match="needs the value of a tensor"):
        record(Decides(), (4,))


@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3)), (1, 8, 8), "module '0' .Conv2d.: a convolution for 3 channels gets 1"),
        (nn.Sequential(nn.Conv2d(3, 4, 5)), (3, 4, 4), "a window of 5 pixels does not fit into 4"),
        (nn.Sequential(nn.Flatten(), nn.Linear(9, 2)), (1, 4, 4), "a dense layer for 9 features gets 16"),
        (nn.Bilinear(3, 4, 5), (3,), "cannot be called with 1 input"),
        (nn.Sequential(nn.BatchNorm2d(3)), (4, 8, 8), "normalisation of 3 channels gets 4"),
        (nn.Sequential(nn.MaxPool2d(3)), (1, 2, 2), "does not fit"),
        (nn.Sequential(nn.Conv2d(3, 4, 3)), (8, 8), "a 2-D convolution|for 3 channels"),
        (nn.Sequential(nn.Linear(3, 4)), (0,), "every side of the input must be at least 1"),
        (nn.Sequential(nn.PixelShuffle(2)), (3, 4, 4), "module '0' .PixelShuffle. fails"),
        (nn.Module(), (3,), "has no forward|forward"),
        (nn.LazyLinear(3), (3,), "no shape yet"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_named_with_its_module(model: nn.Module, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(HubelError, match=message):
        record(model, shape)


def test_several_inputs_are_given_as_several_shapes() -> None:
    graph = record(nn.Bilinear(3, 4, 5), ((3,), (4,)), batch=2)
    assert graph.values[graph.outputs[0]].shape == (2, 5)


def test_token_ids_are_given_as_a_tensor() -> None:
    model = nn.Sequential(nn.Embedding(100, 16), nn.Linear(16, 100))
    graph = record(model, torch.zeros(2, 7, dtype=torch.long))
    assert graph.values[graph.outputs[0]].shape == (2, 7, 100)


class Decoder(nn.Module):
    """A transformer of the size that made headlines: 96 layers, width 9,216, 100 billion parameters."""

    def __init__(
        self, layers: int = 96, width: int = 9216, heads: int = 96, words: int = 50_257, length: int = 2048
    ) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(length, width)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 4 * width, batch_first=True) for _ in range(layers)
        )
        self.head = nn.Linear(width, words, bias=False)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.words(ids) + self.places(torch.arange(ids.shape[1], device=ids.device))
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def test_a_hundred_billion_parameters_fit_into_little_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with skeleton():
        model = Decoder()
    table = summarise(model, torch.zeros(1, 2048, dtype=torch.long))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    width, length = 9216, 2048
    block = 4 * width * width + 4 * width + 8 * width * width + 5 * width + 4 * width
    assert table.params == 96 * block + 2 * 50_257 * width + length * width
    assert table.params > 98e9
    attention = 2 * length * length * width
    assert table.macs == 96 * (12 * length * width * width + attention) + length * width * 50_257
    assert grown < 300, f"{grown:.0f} MB"
    assert not table.partial
    assert math.isclose(table.weight_bytes, 4 * table.params)
