"""Convolution over time."""

from hubel.models.cards import Card

CARDS = (
    Card(
        name="signal_fcn",
        builder_at="conv1d:signal_fcn",
        title="Fully convolutional net for signals",
        year=2016,
        reference="Z. Wang, W. Yan, T. Oates, Time Series Classification from Scratch, IJCNN 2017, arXiv 1611.06455",
        novelty="Three convolutions over time and a global average: no length is too long.",
        num_classes=2,
        img_size=None,
        in_chans=128,
        params=264_450,
        notes=(
            "Takes B T (in_chans is T, the number of samples in time), B C T with channels=C, or pictures row by row.",
            "The convolutions have no bias, since batch norm follows; the first authors kept it (512 numbers).",
        ),
        rows=("C4",),
        tags=("small", "sequence", "points"),
    ),
)
