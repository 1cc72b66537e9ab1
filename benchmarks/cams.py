"""Class activation maps against Captum's and pytorch-grad-cam's.

    python benchmarks/cams.py [--threads 2] [--layer layer4]

ResNet-18, one picture of 224 x 224. Captum's LayerGradCam is always there; pytorch-grad-cam needs torchvision and is
left out, with a remark, where it cannot be imported. Score-CAM is also run as a plain loop with our masks: whether the
map is right is seen there, since pytorch-grad-cam enlarges the masks corner to corner (align_corners) and gets another
map. Prints the best seconds of several runs, their ratio (for Score-CAM also the ratios of single pairs), and the
largest difference of the maps before they are enlarged, relative to their maximum.

At last Score-CAM in processes of their own, by turns: ours keeps its memory, as `hubel explain` does
(`hubel.runtime.keep_memory`), theirs is as its users have it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from captum.attr import LayerGradCam

from hubel.explainers.cams import grad_cam, score_cam
from hubel.models import create_model
from hubel.runtime import environment, generator, keep_memory, seeded, threads


def best(run: Callable[[], np.ndarray], repeats: int) -> tuple[float, np.ndarray]:
    run()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        result = run()
        times.append(time.perf_counter() - started)
    return min(times), result


def row(name: str, ours: tuple[float, np.ndarray], theirs: tuple[float, np.ndarray]) -> None:
    difference = np.abs(ours[1] - theirs[1]).max() / max(np.abs(theirs[1]).max(), 1e-12)
    print(f"{name:<36}{ours[0]:9.3f}{theirs[0]:9.3f}{theirs[0] / ours[0]:8.2f}x{difference:12.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--layer", default="layer4")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--pairs", type=int, default=3, help="of Score-CAM and its peer")
    parser.add_argument("--side", choices=("ours", "theirs"), help="only print the seconds of one side's Score-CAM")
    options = parser.parse_args()
    if options.side == "ours":
        keep_memory()  # as `hubel explain` does
    with threads(options.threads), seeded(0):
        net = create_model("resnet18", num_classes=1000, img_size=224).eval()
        image = torch.randn(1, 3, 224, 224, generator=generator(0))
        target = net(image).argmax(dim=1)
        if options.side:
            print(one_side(net, image, target, options))
            return
        layer = dict(net.named_modules())[options.layer]
        facts = environment()
        print(f"resnet18, {options.layer}, {facts['processor']}, {options.threads} threads, torch {facts['torch']}")
        print(f"{'':<36}{'ours':>9}{'theirs':>9}{'faster':>9}{'difference':>12}")
        ours = best(lambda: grad_cam(net, image, target, layer=options.layer).maps[0].numpy(), options.repeats)
        captum = LayerGradCam(net, layer)
        row(
            "Grad-CAM, Captum", ours,
            best(lambda: captum.attribute(image, target, relu_attributions=True)[0, 0].detach().numpy(), 7),
        )  # fmt: skip
        ours = best_score(net, image, target, options)
        # Sixteen masked pictures at a time, as there, and nothing skipped.
        row("Score-CAM, plain loop, batch 16", ours, plain(net, image, target, layer))
        try:
            from pytorch_grad_cam import ScoreCAM
            from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
        except Exception as error:
            print(f"pytorch-grad-cam is left out: {type(error).__name__}: {error}")
            return
        targets = [ClassifierOutputTarget(int(target))]
        pairs = []
        with ScoreCAM(net, [layer]) as score:
            # One after the other, so that whatever else the machine does falls on both.
            for _ in range(options.pairs):
                own, _map = best_score(net, image, target, options, repeats=1)
                started = time.perf_counter()
                score(image, targets)
                pairs.append((own, time.perf_counter() - started))
            # Its result is enlarged and stretched to [0, 1]; the map before that is put together from its weights.
            maps = score.activations_and_grads.activations[0].numpy()
            weights = score.get_cam_weights(image, layer, targets, maps, None)
            theirs = np.maximum((weights[..., None, None] * maps).sum(axis=1)[0], 0)
        fastest = (min(own for own, _ in pairs), ours[1])
        row("Score-CAM, pytorch-grad-cam", fastest, (min(their for _, their in pairs), theirs))
        ratios = sorted(their / own for own, their in pairs)
        print(f"    {len(pairs)} pairs: from {ratios[0]:.2f}x to {ratios[-1]:.2f}x, median {np.median(ratios):.2f}x")
    apart = [[alone(side, options) for side in ("ours", "theirs")] for _ in range(options.pairs)]
    ratios = sorted(their / own for own, their in apart)
    seconds = " ".join(f"{own:.2f}/{their:.2f}" for own, their in apart)
    print(f"    in processes of their own: {seconds} s, from {ratios[0]:.2f}x to {ratios[-1]:.2f}x,", end="")
    print(f" median {np.median(ratios):.2f}x")


def alone(side: str, options: argparse.Namespace) -> float:
    """Seconds of one side's Score-CAM in a process of its own."""
    words = [sys.executable, __file__, "--side", side, "--threads", str(options.threads), "--layer", options.layer]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def one_side(net: torch.nn.Module, image: torch.Tensor, target: torch.Tensor, options: argparse.Namespace) -> float:
    """Seconds of the second of two runs."""
    if options.side == "ours":
        return best_score(net, image, target, options, repeats=1)[0]
    from pytorch_grad_cam import ScoreCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    targets = [ClassifierOutputTarget(int(target))]
    with ScoreCAM(net, [dict(net.named_modules())[options.layer]]) as score:
        return best(lambda: np.asarray(score(image, targets)), 1)[0]


def best_score(
    net: torch.nn.Module, image: torch.Tensor, target: torch.Tensor, options: argparse.Namespace, *, repeats: int = 2
) -> tuple[float, np.ndarray]:
    return best(lambda: score_cam(net, image, target, layer=options.layer).maps[0].numpy(), repeats)


def plain(
    net: torch.nn.Module, image: torch.Tensor, target: torch.Tensor, layer: torch.nn.Module
) -> tuple[float, np.ndarray]:
    seen: list[torch.Tensor] = []
    handle = layer.register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.no_grad():
        net(image)
    handle.remove()

    def run() -> np.ndarray:
        maps = seen[0][0]
        low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
        masks = torch.nn.functional.interpolate(
            ((maps - low) / (high - low + 1e-8))[:, None], image.shape[2:], mode="bilinear"
        )
        with torch.no_grad():
            scores = torch.cat([net(image * part)[:, int(target)] for part in masks.split(16)])
        return (scores.softmax(0)[:, None, None] * maps).sum(0).relu().numpy()

    return best(run, 1)


if __name__ == "__main__":
    main()
