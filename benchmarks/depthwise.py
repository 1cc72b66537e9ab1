"""Training steps of nets with depthwise convolutions on a CPU in bf16: as PyTorch computes them, and as hubel does.

    python benchmarks/depthwise.py [--models efficientnet_lite0 mobilenet_v1 mobilenet_v2] [--side 224] [--batch 32]

Forward and backward of one batch of noise, channels last, batch norms as in transfer (they keep their statistics) and
as in training from nothing: fp32, bf16, and bf16 with the layers of `hubel.nn.depthwise`. The three are timed in turns;
the best of --rounds counts, in processor seconds. One JSON line a net and a way of norming: pictures a second, and,
where norms keep their statistics, how far the gradients of the bf16 ways lie from those in fp32 (the norm of the
difference, as a share).
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import time

import torch
from torch import nn

from hubel import runtime
from hubel.models import create_model
from hubel.nn.depthwise import hastened
from hubel.nn.layout import arrange

WAYS = ("fp32", "bf16", "hubel")


def stepped(net: nn.Module, images: torch.Tensor, labels: torch.Tensor, *, half: bool) -> float:
    """Processor seconds of one forward and backward pass; the gradients are left on the net."""
    net.zero_grad(set_to_none=True)
    began = time.process_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        logits = net(images)
    torch.nn.functional.cross_entropy(logits.float(), labels).backward()
    return time.process_time() - began


def slopes(net: nn.Module) -> torch.Tensor:
    """All gradients in one vector."""
    return torch.cat([part.grad.flatten() for part in net.parameters() if part.grad is not None])


def compared(name: str, options: argparse.Namespace, *, training: bool) -> dict[str, object]:
    """Rates and distances of the three ways."""
    torch.manual_seed(0)
    plain = arrange(create_model(name, num_classes=10), torch.channels_last).train(training)
    quick = copy.deepcopy(plain)
    layers = hastened(quick)
    images = torch.randn(options.batch, 3, options.side, options.side).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(10, (options.batch,))
    nets = dict(zip(WAYS, (plain, plain, quick), strict=True))
    best, found = dict.fromkeys(WAYS, float("inf")), {}
    for _ in range(options.rounds + 1):  # the first is for warming up
        for way, net in nets.items():
            taken = stepped(net, images, labels, half=way != "fp32")
            best[way] = min(best[way], taken)
            found[way] = slopes(net)
    apart = {way: round(float((found[way] - found["fp32"]).norm() / found["fp32"].norm()), 4) for way in WAYS[1:]}
    return {
        "model": name, "norms": "learning" if training else "kept", "side": options.side, "batch": options.batch,
        "layers": layers, "pictures_a_second": {way: round(options.batch / best[way], 1) for way in WAYS},
        "against_bf16": round(best["bf16"] / best["hubel"], 2), "against_fp32": round(best["fp32"] / best["hubel"], 2),
        "gradient_apart": None if training else apart,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["efficientnet_lite0", "mobilenet_v1", "mobilenet_v2"])
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    runtime.keep_memory()
    for name in options.models:
        for training in (False, True):
            print(json.dumps(compared(name, options, training=training) | {"environment": runtime.environment()}),
                  flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
