"""Vision Transformer: Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021, arXiv 2010.11929, fig. 1, table 1.

    name       layers  width D  MLP   heads  patch   parameters (K = 1000, 224x224)
    ViT-Base   12      768      3072  12     16, 32  86,567,656 and 88,224,232
    ViT-Large  24      1024     4096  16     16, 32  304,326,632 and 306,535,400
    ViT-Huge   32      1280     5120  16     14      632,045,800
    tiny       6       96       192   3      4       ours, for pictures of 28 or 32 pixels: maps fit on a screen

Patches become words: a convolution as wide as its stride embeds each, a class token goes first, positions are added.
Letters: B batch, N tokens (1 + patches), D width, A heads, K classes. Module names are torchvision's.

The attention of a layer is the output of a module of its own, A maps of N x N that sum to 1 over the last axis:

>>> import torch
>>> from hubel.nn.taps import record
>>> net = vit_tiny(num_classes=10, in_chans=1, img_size=(28, 28))
>>> with record(net, net.attention[0]) as seen:
...     logits = net(torch.zeros(2, 1, 28, 28))
>>> seen[net.attention[0]].shape
torch.Size([2, 3, 50, 50])
"""

from __future__ import annotations

import math
from collections import OrderedDict
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from hubel.errors import UsageError


class SelfAttention(nn.Module):
    """softmax(Q K^T / sqrt(D/A)) V in A heads, equation 5 to 8 of appendix A: tokens B N D -> B N D."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.weights = nn.Softmax(dim=-1)
        self.dropout = nn.Dropout(dropout)
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)  # B N 3D
        q, k, v = qkv.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # each B A N D/A
        if self.weights._forward_hooks or self.dropout.p:
            # Somebody reads the attention: compute it where it can be seen.
            scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # B A N N
            mixed = self.dropout(self.weights(scores)) @ v
        else:
            mixed = F.scaled_dot_product_attention(q, k, v)  # the same, without the N x N in memory
        return self.out_proj(mixed.transpose(1, 2).flatten(2))  # B N D


class EncoderBlock(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)): equations 2 and 3."""

    def __init__(self, width: int, heads: int, mlp: int, dropout: float) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps=1e-6)
        self.self_attention = SelfAttention(width, heads, dropout)
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(width, mlp), nn.GELU(), nn.Dropout(dropout), nn.Linear(mlp, width), nn.Dropout(dropout)
        )
        for linear in self.mlp:
            if isinstance(linear, nn.Linear):
                nn.init.xavier_uniform_(linear.weight)
                nn.init.normal_(linear.bias, std=1e-6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.dropout(self.self_attention(self.ln_1(x)))
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    """Positions added, L blocks, a last norm: B N D -> B N D."""

    def __init__(self, tokens: int, layers: int, width: int, heads: int, mlp: int, dropout: float) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.empty(1, tokens, width).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        blocks = [(f"encoder_layer_{depth}", EncoderBlock(width, heads, mlp, dropout)) for depth in range(layers)]
        self.layers = nn.Sequential(OrderedDict(blocks))
        self.ln = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.ln(self.layers(self.dropout(x + self.pos_embedding)))


class VisionTransformer(nn.Module):
    """Pictures B C H W -> logits B K; the stages are tokens B N D, the first of them the class token."""

    head = "heads.head"

    def __init__(
        self,
        num_classes: int,
        in_chans: int,
        img_size: tuple[int, int],
        *,
        patch: int,
        layers: int,
        width: int,
        heads: int,
        mlp: int,
        dropout: float,
    ) -> None:
        super().__init__()
        height, across = img_size
        if height % patch or across % patch:
            low, high = (max(1, min(img_size) // patch) * patch, (min(img_size) // patch + 1) * patch)
            raise UsageError(
                f"the sides of a picture must be multiples of the patch, {patch}, got {height}x{across}",
                hint=f"use --img-size {low} or {high}, or another patch",
            )
        self.patch = patch
        self.grid = (height // patch, across // patch)
        self.conv_proj = nn.Conv2d(in_chans, width, patch, stride=patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.encoder = Encoder(1 + self.grid[0] * self.grid[1], layers, width, heads, mlp, dropout)
        head = nn.Linear(width, num_classes)
        self.heads = nn.Sequential(OrderedDict(head=head))
        self.stages = tuple(f"encoder.layers.encoder_layer_{depth}" for depth in range(layers))
        self.attention = tuple(f"{stage}.self_attention.weights" for stage in self.stages)
        nn.init.trunc_normal_(self.conv_proj.weight, std=math.sqrt(1 / (in_chans * patch**2)))
        for bias in (self.conv_proj.bias, head.bias):
            assert bias is not None
            nn.init.zeros_(bias)
        # The published code starts the head at zero, which leaves the body without a gradient in the first step.
        nn.init.trunc_normal_(head.weight, std=0.02)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if images.shape[2:] != (self.grid[0] * self.patch, self.grid[1] * self.patch):
            raise UsageError(
                f"this transformer was built for pictures of {self.grid[0] * self.patch}x{self.grid[1] * self.patch}, "
                f"got {images.shape[2]}x{images.shape[3]}",
                hint="its positions are learned one by one; build it with another img_size",
            )
        x = self.conv_proj(images).flatten(2).transpose(1, 2)  # B N-1 D
        x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], dim=1)  # B N D
        return self.heads(self.encoder(x)[:, 0])  # B K


def vit(
    *,
    num_classes: int,
    in_chans: int,
    img_size: tuple[int, int],
    patch: int,
    layers: int,
    width: int,
    heads: int,
    mlp: int,
    dropout: float = 0.0,
) -> VisionTransformer:
    """A transformer of any size; raises UsageError where the parts do not divide."""
    if width % heads:
        raise UsageError(f"heads={heads} must divide width={width}", hint="each head works on an equal share")
    return VisionTransformer(
        num_classes, in_chans, img_size, patch=patch, layers=layers, width=width, heads=heads, mlp=mlp, dropout=dropout
    )


vit_b_16 = partial(vit, patch=16, layers=12, width=768, heads=12, mlp=3072)
vit_b_32 = partial(vit, patch=32, layers=12, width=768, heads=12, mlp=3072)
vit_l_16 = partial(vit, patch=16, layers=24, width=1024, heads=16, mlp=4096)
vit_l_32 = partial(vit, patch=32, layers=24, width=1024, heads=16, mlp=4096)
vit_h_14 = partial(vit, patch=14, layers=32, width=1280, heads=16, mlp=5120)
vit_tiny = partial(vit, patch=4, layers=6, width=96, heads=3, mlp=192)
