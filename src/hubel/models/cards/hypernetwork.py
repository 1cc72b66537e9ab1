"""A net that makes a net."""

from hubel.models.cards import Card

CARDS = (
    Card(
        name="hypernetwork",
        builder_at="hypernetwork:hypernetwork",
        title="Hypernetwork",
        year=2016,
        reference="D. Ha, A. Dai, Q. Le, HyperNetworks, ICLR 2017, arXiv 1609.09106",
        novelty="A small net computes the weights of a large one, from a few numbers for each kernel.",
        num_classes=10,
        img_size=28,
        in_chans=1,
        params=8_586,
        notes=(
            "Static, in a residual net of three stages; the paper's is a Wide ResNet 40-2 (CIFAR-10: 92.77 %).",
            "code=16 numbers for each kernel of 16x16 maps, where the paper takes 64 for a larger net.",
        ),
        rows=("S77",),
        tags=("small", "residual"),
    ),
)
