"""The peer of benchmarks/starts.py: timm's EfficientNet-Lite0 from the same weights, fine-tuned the plain common way.

    python benchmarks/starts_peer.py FOLDER --weights FILE.pth [--seconds 600] [--threads 2] [--seed 0] [--processor]

Run by the interpreter HUBEL_PEER_TIMM, which has torch, torchvision and timm; nothing of hubel is imported. FOLDER has
train/CLASS/… and test/CLASS/…. The recipe, as timm's and torchvision's own examples fine-tune: pictures of 224 x 224 by
RandomResizedCrop (0.35 to 1 of the area) and a mirror image by chance, (x - 127) / 128 as the weights want it, batches
of 32, labels smoothed by 0.1, AdamW with weight decay 0.05; first the new head alone for a tenth of the time at a rate
of 1e-3, then everything at 3e-4, down a cosine to nought at the end of the time. It learns from all of FOLDER/train:
what hubel keeps back to choose by, it has too. At the test the whole picture's centre, 224 of 256. As many workers as
threads. The time is wall time from the start of the process, imports and reading included, the test left out; with
--processor, for a machine that others use, the processor's time of this process, which leaves out what its workers do.

One JSON line: test accuracy, epochs, seconds, versions.
"""

from __future__ import annotations

import time

BEGUN = time.perf_counter()

import argparse  # noqa: E402
import json  # noqa: E402
import math  # noqa: E402
from pathlib import Path  # noqa: E402

import timm  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torchvision import transforms as T  # noqa: E402
from torchvision.datasets import ImageFolder  # noqa: E402

BATCH, HEAD_RATE, RATE, DECAY, SMOOTHING, ALONE = 32, 1e-3, 3e-4, 0.05, 0.1, 0.1


def built(weights: Path, classes: int) -> nn.Module:
    """timm's net with the package's weights. Their names differ and their order is the same, as every shape says."""
    net = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    theirs = torch.load(weights, map_location="cpu", weights_only=True)
    mine = net.state_dict()
    pairs = list(zip(mine, theirs.values(), strict=True))
    assert all(mine[name].shape == value.shape for name, value in pairs)
    net.load_state_dict(dict(pairs))
    net.reset_classifier(classes)
    return net


def test_accuracy(net: nn.Module, batches: torch.utils.data.DataLoader) -> float:
    """Share of the pictures that are named correctly."""
    net.eval()
    right = count = 0
    with torch.inference_mode():
        for images, labels in batches:
            right += int((net(images).argmax(1) == labels).sum())
            count += len(labels)
    return right / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processor", action="store_true", help="count the processor's time, not the wall's")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    scaled = [T.ToTensor(), T.Normalize([127 / 255] * 3, [128 / 255] * 3)]
    bicubic = T.InterpolationMode.BICUBIC
    varied = T.Compose(
        [T.RandomResizedCrop(224, (0.35, 1.0), interpolation=bicubic), T.RandomHorizontalFlip(), *scaled]
    )
    plain = T.Compose([T.Resize(256, interpolation=bicubic), T.CenterCrop(224), *scaled])
    train, test = ImageFolder(options.folder / "train", varied), ImageFolder(options.folder / "test", plain)
    assert train.classes == test.classes
    many = {"num_workers": options.threads}
    batches = torch.utils.data.DataLoader(train, BATCH, shuffle=True, persistent_workers=True, **many)
    net = built(options.weights, len(train.classes))
    head = list(net.get_classifier().parameters())
    body = [value for value in net.parameters() if not any(value is other for other in head)]
    optimiser = torch.optim.AdamW([{"params": head}, {"params": body}], lr=HEAD_RATE, weight_decay=DECAY)
    steps = 0

    def gone() -> float:
        return (time.process_time() if options.processor else time.perf_counter() - BEGUN) / options.seconds

    while gone() < 1:
        for images, labels in batches:
            part = gone()
            alone = part < ALONE
            net.train()
            for value in body:
                value.requires_grad_(not alone)
            fall = 0.5 * (1 + math.cos(math.pi * min(1.0, part)))
            of_head, of_body = optimiser.param_groups
            of_head["lr"], of_body["lr"] = (fall * HEAD_RATE, 0.0) if alone else (fall * RATE, fall * RATE)
            loss = F.cross_entropy(net(images), labels, label_smoothing=SMOOTHING)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            steps += 1
            if gone() >= 1:
                break
    found = {"seconds": round(time.perf_counter() - BEGUN, 1), "epochs": round(steps * BATCH / len(train), 1)}
    found |= {"classes": len(train.classes), "train": len(train), "val": 0, "test": len(test)}
    found |= {"test_accuracy": test_accuracy(net, torch.utils.data.DataLoader(test, BATCH, **many))}
    print(json.dumps(found | {"timm": timm.__version__, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
