"""QuickNet, the default net for small pictures."""

from hubel.models.cards import Card

CARDS = (
    Card(
        name="quicknet",
        builder_at="quicknet:quicknet",
        title="QuickNet",
        year=2024,
        reference="After K. Jordan, 94% on CIFAR-10 in 3.29 Seconds on a Single GPU, 2024, arXiv 2404.00498",
        novelty="A plain net of seven convolutions whose recipe reaches 94 % on CIFAR-10 in ten epochs.",
        num_classes=10,
        img_size=32,
        in_chans=3,
        min_size=8,
        params=1_972_792,
        notes=(
            "The default of `hubel train`; pictures beyond 48 pixels get one more group for each doubling.",
            "`hubel train` computes the first filters from the data, as the paper does; alone, it has random ones.",
            "--model-option blur=4 blurs before each halving: answers change less when the picture is shifted.",
        ),
        tags=("small", "fast", "default"),
    ),
)
