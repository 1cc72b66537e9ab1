"""Harmonic networks."""

from hubel.models.cards import Card

CARDS = (
    Card(
        name="harmonic_net",
        builder_at="harmonic:harmonic_net",
        title="Harmonic network",
        year=2017,
        reference="D. Worrall et al., Harmonic Networks: Deep Translation and Rotation Equivariance, CVPR 2017, "
        "arXiv 1612.04642",
        novelty="Circular harmonics as filters: maps are complex, and a turn by any angle is a change of phase.",
        num_classes=10,
        img_size=28,
        in_chans=1,
        min_size=8,
        params=32_150,
        accuracy="rotated MNIST 98.31 % (paper, table 1)",
        notes=(
            "Quarter turns are exact for sides that are multiples of 4; other angles as exact as a 5x5 grid allows.",
            "The paper's net has 33k parameters and maps of 8, 8, 16, 16, 35, 35 and K; here a dense layer reads the "
            "magnitudes of the last maps.",
        ),
        rows=("S54", "K30"),
        tags=("small", "equivariant"),
    ),
)
