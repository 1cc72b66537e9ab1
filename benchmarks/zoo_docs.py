"""Write the tables of docs/models.md from the cards, or with --check say whether they are up to date."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from hubel.models import CARDS

PAGE = Path(__file__).parents[1] / "docs" / "models.md"
START, END = "<!-- made from the cards: {} -->\n", "<!-- end -->\n"

# Systems of the specification without an architecture of their own: (rows, what, where it is or why it is not).
ELSEWHERE = (
    ("S5", "Biological neuron", "background: the model for S1 to S4, not a program"),
    ("S50", "Deep Compression", "built: `hubel compress RUN --to 10x` ([how](compression.md))"),
    ("S58", "Generic CNN", "built: `hubel train DATA --model my-net.yaml`, a net from a layer list"),
    ("S59", "ILSVRC entries of 2016, 2017", "background: ensembles that were never published as nets"),
    (
        "S61",
        "Digit that is slightly warped",
        "built: `hubel robust RUN` bends, shifts and turns ([how](robustness.md))",
    ),
    ("S62", "Filter for faces that reacts to a dog", "background: a drawing of what an activation removes"),
    ("S63", "Plus-sign detector", "built: `hubel kernels PICTURE --kernel plus`"),
    (
        "S64, S115",
        "Two-class image sets (hotdog, glasses, cat and dog)",
        "built: `hubel train FOLDER` on any two folders",
    ),
    ("S65", "Avatarify", "background: live face animation, a link only"),
    ("S66, S67", "Transfer from an ImageNet net", "built: `hubel train FOLDER --from resnet18`"),
    ("S70", "AnoGAN", "built: `hubel anomaly GOOD --method anogan`, with an encoder ([how](anomaly.md))"),
    ("S71", "Foreign patch interpolation", "built: `hubel anomaly GOOD --method fpi` ([how](anomaly.md))"),
    (
        "S72",
        "Medical out-of-distribution challenge",
        "background: its pictures are not ours to ship; the task is `hubel anomaly`",
    ),
    (
        "S73",
        "RNN as anomaly predictor",
        "built: `hubel train TABLE --task sequence`, yes and no as labels of steps; without, strange steps are named",
    ),
    (
        "S77",
        "Kanerva machine",
        "left out: what it learns is to write an episode of many pictures into one memory and to read it back, and a "
        "training here is of samples, each on its own; hypernetworks and neural processes are built",
    ),
    (
        "S79",
        "SVM, trees and other classical learners",
        "built: `hubel baseline DATA` ([how](baselines.md)), over pixels, HOG, colours or features",
    ),
    (
        "S80",
        "SIFT, HOG, hand-made pipelines",
        "built: HOG in `hubel baseline DATA` ([how](baselines.md)); SIFT is background",
    ),
    ("S81", "Hierarchies of edges, textures, parts", "background: a way to see nets; `hubel explain` shows it"),
    ("S82, S109", "ChatGPT, DALL-E 2, trends and hype charts", "background: not image classification"),
    (
        "S83, S84, S86 to S89, S92",
        "ENAS, NAS, Progressive NAS, SMASH, AmoebaNet, AutoML",
        "built, small: `hubel search DATA --nets enas`, or reinforce (NAS), progressive, smash, evolution, "
        "hierarchical, q-learning, morphism ([how](search.md))",
    ),
    ("S93", "PyTorch", "built: the engine underneath"),
    ("S94", "Keras", "built: layer lists read like its Sequential"),
    ("S95, S96", "torchsummary, torch_receptive_field", "built: `hubel summary`"),
    ("S97", "torchvision", "built: the same names, keys and logits; `make parity`"),
    ("S98", "imgaug", "built: `hubel components augmentations`"),
    ("S99 to S104", "Interactive pages", "built: `hubel studio` ([how](studio.md)); `hubel step` shows the arithmetic"),
    (
        "S105",
        "LeNet demonstration videos",
        "built: a page with the camera, `hubel export RUN --to page`; the nets are `lenet1989` and `lenet5`",
    ),
    ("S106", "Guide to convolution arithmetic", "built: `hubel step`"),
    ("S107", "Barnes-Hut t-SNE", "built: `hubel embed`"),
    ("S108, S116, S117", "Cluster and hardware", "background: machines"),
    ("S110, S112", "MNIST, CIFAR-10", "built: `hubel train mnist`, `hubel train cifar10`"),
    ("S111", "ImageNet", "built as a folder of pictures: `hubel train imagenet/`; the data are not ours to ship"),
    ("S113, S114", "Iris, synthetic toy data", "built: `hubel train iris --model iris_mlp`"),
)


def families() -> str:
    """One line an architecture."""
    lines = [
        "| name | what | year | parameters | multiply-accumulates | image | published accuracy |",
        "| --- |" + " --- |" * 6,
    ]
    for card in sorted(
        CARDS.values(), key=lambda card: (card.year, card.builder_at.partition(":")[0], card.params or 0)
    ):
        size = card.img_size
        side = "points" if size is None else f"{size}x{size}" if isinstance(size, int) else f"{size[0]}x{size[1]}"
        params = f"{card.params:,}" if card.params is not None else ""
        macs = f"{card.macs:,}" if card.macs is not None else ""
        lines.append(f"| `{card.name}` | {card.title} | {card.year} | {params} | {macs} | {side} | {card.accuracy} |")
    return "\n".join(lines) + "\n"


def systems() -> str:
    """Every system of the specification: built, or background."""
    built: dict[int, list[str]] = {}
    for card in sorted(CARDS.values(), key=lambda card: (card.year, not card.name.startswith("resnet"))):
        for row in card.rows:
            if row.startswith("S"):
                built.setdefault(int(row[1:]), []).append(card.name)
    lines = [
        (number, f"| S{number} | {_few(names)} | built: {_command(names[0])} |") for number, names in built.items()
    ]
    for rows, what, where in ELSEWHERE:
        lines.append((int(rows.lstrip("S").split(",")[0].split()[0]), f"| {rows} | {what} | {where} |"))
    return "\n".join(["| row | system | where |", "| --- | --- | --- |", *(line for _, line in sorted(lines))]) + "\n"


def _command(name: str) -> str:
    """How to get at a net: those too large to hold are only described."""
    card = CARDS[name]
    if card.task == "reconstruct":
        return f"`hubel train DATA --task reconstruct --model {name}`"
    return f"`hubel summary {name}`" if "description" in card.tags else f"`hubel train DATA --model {name}`"


def _few(names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:6])
    return shown if len(names) <= 6 else f"{shown} and {len(names) - 6} more"


def page() -> str:
    """The page with its tables made anew."""
    text = PAGE.read_text()
    for name, table in (("architectures", families()), ("systems", systems())):
        start = START.format(name)
        before, _, rest = text.partition(start)
        _, _, after = rest.partition(END)
        text = f"{before}{start}\n{table}\n{END}{after}"
    return text


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    if parser.parse_args().check:
        sys.exit(
            0 if page() == PAGE.read_text() else "docs/models.md is behind the cards: python benchmarks/zoo_docs.py"
        )
    PAGE.write_text(page())
