"""Nets that are equivariant under turns and mirror images."""

from hubel.models.cards import Card

_PAPER = "T. Cohen, M. Welling, Group Equivariant Convolutional Networks, ICML 2016, arXiv 1602.07576, section 8.1"
_EXACT = "Exact for pictures with even sides, where max-pooling tiles the maps; to a pixel for odd ones."
_MEAN = "The last maps are averaged over the group and over space; the paper takes the maximum over the group."

CARDS = (
    Card(
        name="p4_cnn",
        builder_at="group_equivariant:p4_cnn",
        title="P4CNN",
        year=2016,
        reference=_PAPER,
        novelty="Filters come in four turns, maps carry four planes: a quarter turn of the picture only reorders them.",
        num_classes=10,
        img_size=28,
        in_chans=1,
        min_size=2,
        params=24_620,
        accuracy="rotated MNIST 97.72 % (paper, table 1)",
        notes=("The paper counts about 25,000 parameters (24.6k here).", _EXACT, _MEAN),
        rows=("S54", "K30"),
        tags=("small", "equivariant"),
    ),
    Card(
        name="p4m_cnn",
        builder_at="group_equivariant:p4m_cnn",
        title="P4MCNN",
        year=2016,
        reference=_PAPER,
        novelty="Eight planes: turns and mirror images.",
        num_classes=10,
        img_size=28,
        in_chans=1,
        min_size=2,
        params=26_757,
        notes=("7 maps of 8 planes, so that it is as large as P4CNN with 10 of 4.", _EXACT, _MEAN),
        rows=("K30",),
        tags=("small", "equivariant"),
    ),
)
