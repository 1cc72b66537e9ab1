"""Vision Transformers: torchvision's names, and attention that can be read without changing the answer."""

from __future__ import annotations

import pytest
import torch

from hubel.errors import UsageError
from hubel.models import create_model
from hubel.models.cards.vit import CARDS
from hubel.nn.taps import record


@pytest.mark.parametrize("entry", CARDS, ids=lambda entry: entry.name)
def test_counts_are_the_published_ones(entry: object) -> None:
    with torch.device("meta"):
        net = create_model(entry.name, in_chans=entry.in_chans)
    assert sum(p.numel() for p in net.parameters()) == entry.params


def test_names_are_torchvisions() -> None:
    with torch.device("meta"):
        names = list(create_model("vit_b_16").state_dict())
    assert names[:4] == ["class_token", "conv_proj.weight", "conv_proj.bias", "encoder.pos_embedding"]
    layer = "encoder.layers.encoder_layer_0"
    assert names[4:16] == [
        f"{layer}.{part}"
        for part in (
            "ln_1.weight", "ln_1.bias", "self_attention.in_proj_weight", "self_attention.in_proj_bias",
            "self_attention.out_proj.weight", "self_attention.out_proj.bias", "ln_2.weight", "ln_2.bias",
            "mlp.0.weight", "mlp.0.bias", "mlp.3.weight", "mlp.3.bias",
        )
    ]  # fmt: skip
    assert names[-4:] == ["encoder.ln.weight", "encoder.ln.bias", "heads.head.weight", "heads.head.bias"]
    assert len(names) == 152


def test_an_attention_layer_is_torchs_multi_head_attention() -> None:
    net = create_model("vit_tiny", in_chans=1, img_size=28)
    ours = net.encoder.layers.encoder_layer_0.self_attention
    theirs = torch.nn.MultiheadAttention(96, 3, batch_first=True)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 50, 96)
    with record(ours, "weights") as seen:
        mine = ours(x)
    other, weights = theirs(x, x, x, average_attn_weights=False)
    assert torch.allclose(mine, other, atol=1e-5)
    assert torch.allclose(seen["weights"], weights, atol=1e-6)


def test_looking_at_the_attention_does_not_change_the_answer() -> None:
    net = create_model("vit_tiny", num_classes=10, in_chans=1, img_size=28).eval()
    images = torch.randn(2, 1, 28, 28)
    with record(net, *net.attention) as seen:
        watched = net(images)
    assert torch.allclose(watched, net(images), atol=1e-5)
    for maps in seen.values():
        assert maps.shape == (2, 3, 50, 50)
        assert torch.allclose(maps.sum(-1), torch.ones(2, 3, 50))


def test_sizes_that_no_patch_divides_are_refused_with_near_ones() -> None:
    with pytest.raises(UsageError, match="multiples of the patch, 16, got 100x100\n  use --img-size 96 or 112"):
        create_model("vit_b_16", img_size=100)
    with pytest.raises(UsageError, match="heads=5 must divide width=96"):
        create_model("vit_tiny", in_chans=1, heads=5)
    with pytest.raises(UsageError, match="built for pictures of 28x28, got 32x32"):
        create_model("vit_tiny", in_chans=1)(torch.zeros(1, 1, 32, 32))
