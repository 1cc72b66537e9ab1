"""Convolution over volumes."""

from hubel.models.cards import Card

CARDS = (
    Card(
        name="voxnet",
        builder_at="voxnet:voxnet",
        title="VoxNet",
        year=2015,
        reference="D. Maturana, S. Scherer, VoxNet: A 3D Convolutional Neural Network for Real-Time Object "
        "Recognition, IROS 2015, doi 10.1109/IROS.2015.7353481",
        novelty="Kernels that move in three directions over a grid of places, small enough for a robot.",
        num_classes=40,
        img_size=32,
        in_chans=32,
        min_size=4,
        params=921_736,
        notes=(
            "A volume is a picture whose channels are its slices (in_chans is D), so that it stands beside nets of two",
            "dimensions, which mix all slices at once. Small volumes (below 16) are not halved by the first layer.",
        ),
        rows=("C4",),
        tags=("small", "volumes"),
    ),
)
