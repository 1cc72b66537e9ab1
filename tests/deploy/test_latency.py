"""Forms of a net timed side by side: all of them give the net's own logits, and what cannot be made says why."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from hubel.deploy import onnx
from hubel.deploy.latency import Latency, latency, no_compiler
from hubel.errors import ArtefactError, UnknownName, UsageError
from hubel.models import create_model

needs_onnx = pytest.mark.skipif(bool(onnx.absent()), reason="the extra 'export' is not installed")


def digits_net() -> nn.Module:
    torch.manual_seed(0)
    return create_model("mnist_cnn", num_classes=10, in_chans=1)


def test_every_batch_size_is_timed_in_every_form_with_ordered_percentiles() -> None:
    net = digits_net().train()
    found = latency(net, (1, 28, 28), batches=[1, 3], forms=["eager", "ready"], seconds=0.02)
    assert [(t.form, t.batch) for t in found.timings] == [("eager", 1), ("ready", 1), ("eager", 3), ("ready", 3)]
    for timing in found.timings:
        assert 0 < timing.p10 <= timing.median <= timing.p90 <= timing.p99
        assert timing.calls >= 12
        assert timing.images_per_second == pytest.approx(timing.batch / timing.median)
    assert found.of("eager", 3).ratio == 1.0
    assert all(module.training for module in net.modules()), "the net is left as it was"
    assert found.parameters == 34826
    assert found.environment["torch"] == torch.__version__


@needs_onnx
def test_onnx_runtime_gives_the_logits_of_the_net_at_every_batch_size() -> None:
    net = digits_net().eval()
    session = onnx.Session(onnx.exported(net, torch.randn(2, 1, 28, 28)), threads=1)
    for batch in (1, 2, 5):
        images = torch.randn(batch, 1, 28, 28)
        assert torch.allclose(session(images), net(images), atol=1e-5)
    found = latency(net, (1, 28, 28), batches=[1], forms=["eager", "onnx"], seconds=0.01)
    assert found.forms[1].agrees
    assert found.forms[1].difference < 1e-5


@needs_onnx
def test_a_transformer_takes_batches_of_every_size() -> None:
    """W11."""
    torch.manual_seed(0)
    net = create_model("vit_tiny", num_classes=3, in_chans=1, img_size=8).eval()
    session = onnx.Session(onnx.exported(net, torch.randn(3, 1, 8, 8)), threads=1)
    for batch in (1, 2, 3, 5, 9):
        images = torch.randn(batch, 1, 8, 8)
        assert torch.allclose(session(images), net(images), atol=1e-5)


@needs_onnx
def test_a_batch_size_that_is_burnt_in_is_noticed_after_the_export() -> None:
    class Burnt(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean((2, 3)) + torch.zeros(len(images), 1)

    with pytest.raises(ArtefactError, match="does not take a batch of 1: "):
        onnx.exported(Burnt().eval(), torch.randn(2, 3, 4, 4))


@needs_onnx
def test_a_net_that_cannot_be_exported_is_named_with_the_reason() -> None:
    class Winding(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean((2, 3)) if images.sum().item() > 0 else images.amax((2, 3))

    found = latency(Winding(), (3, 4, 4), batches=[1], forms=["eager", "onnx"], seconds=0.01)
    assert found.forms[1].missing.startswith("the net cannot be written as ONNX: ")
    assert [timing.form for timing in found.timings] == ["eager"]


def test_without_the_extra_onnx_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx, "PACKAGES", ("onnx_of_another_world",))
    found = latency(digits_net(), (1, 28, 28), batches=[1], forms=["onnx"], seconds=0.01)
    assert found.forms[0].missing == "onnx_of_another_world is not installed: pip install 'hubel[export]'"
    assert math.isnan(found.forms[0].difference)
    assert not found.forms[0].agrees


def test_without_a_compiler_the_reason_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    expected = "torch.compile needs a C++ compiler: no-such-compiler is not found"
    assert no_compiler(torch.device("cpu")) == expected
    found = latency(digits_net(), (1, 28, 28), batches=[1], forms=["compiled"], seconds=0.01)
    assert found.forms[0].missing == expected


@pytest.mark.slow
@pytest.mark.skipif(bool(no_compiler(torch.device("cpu"))), reason="no C++ compiler")
def test_the_compiled_form_gives_the_logits_of_the_net() -> None:
    found = latency(digits_net(), (1, 28, 28), batches=[1, 2, 4], forms=["eager", "compiled"], seconds=0.05)
    assert found.forms[1].agrees
    assert found.forms[1].setup_seconds > 0


class Hungry(nn.Module):
    """Runs out of memory from four pictures on."""

    def __init__(self, error: Callable[[], BaseException]) -> None:
        super().__init__()
        self.error = error

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) >= 4:
            raise self.error()
        return images.mean((2, 3))


def run_out(error: Callable[[], BaseException]) -> Latency:
    return latency(Hungry(error), (3, 4, 4), batches=[1, 2, 4, 8], forms=["eager", "ready"], seconds=0.01)


@pytest.mark.parametrize("error", [MemoryError, lambda: torch.OutOfMemoryError("CUDA out of memory")])
def test_when_memory_runs_out_what_was_measured_is_kept(error: Callable[[], BaseException]) -> None:
    found = run_out(error)
    assert {timing.batch for timing in found.timings} == {1, 2}
    assert found.stopped == "memory ran out at batch 4"


def test_a_fault_of_the_net_is_not_taken_for_missing_memory() -> None:
    with pytest.raises(RuntimeError, match="a fault"):
        run_out(lambda: RuntimeError("a fault"))


def test_unknown_forms_and_impossible_batches_are_refused() -> None:
    with pytest.raises(UnknownName, match="unknown form 'eagr'"):
        latency(digits_net(), (1, 28, 28), forms=["eagr"])
    with pytest.raises(UsageError, match="at least 1, got \\[0\\]"):
        latency(digits_net(), (1, 28, 28), batches=[0])
