"""A net that tells a whole from parts of it."""

from hubel.models.cards import Card

CARDS = (
    Card(
        name="neural_process",
        builder_at="neural_process:neural_process",
        title="Conditional neural process",
        year=2018,
        reference="M. Garnelo et al., Conditional Neural Processes, ICML 2018, arXiv 1807.01613",
        novelty="Some pixels in, in any order and number; every pixel out, with how unsure it is.",
        num_classes=10,
        img_size=28,
        in_chans=1,
        task="reconstruct",
        loss="gaussian-nll",
        params=28_300,
        notes=(
            "seen=49 pixels are looked at where it is measured and asked; it learns with any number, up to a quarter.",
            "Places are told by waves of them as well, and what was seen is batch-normed, which the paper has not.",
            "Layers of 64 units, where the paper has 128: four times as quick (width=128).",
            "complete(images, shown) tells mean and deviation of every pixel from those that a mask shows.",
        ),
        rows=("S77",),
        tags=("small", "implicit"),
    ),
)
