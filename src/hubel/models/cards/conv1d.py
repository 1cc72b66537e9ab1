"""Convolutions over time."""

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
            "Takes B T (in_chans is T, the number of samples in time), B C T with channels=C, pictures row by row,",
            "and signals of unequal lengths out of .npy files: what fills them up counts in no statistic and no mean.",
            "The convolutions have no bias, since batch norm follows; the first authors kept it (512 numbers).",
        ),
        rows=("C4",),
        tags=("small", "sequence", "signals", "points"),
    ),
    Card(
        name="tcn",
        builder_at="tcn:tcn",
        title="Temporal convolutional net",
        year=2018,
        reference="S. Bai, J. Kolter, V. Koltun, An Empirical Evaluation of Generic Convolutional and Recurrent "
        "Networks for Sequence Modeling, 2018, arXiv 1803.01271",
        novelty="Causal convolutions, each twice as far apart: a memory of a stated length, learnt in parallel.",
        num_classes=10,
        img_size=28,
        in_chans=1,
        params=144_586,
        notes=(
            "An answer sees 1 + 2 (size - 1) (2^levels - 1) steps, itself one of them: 253 by default, 509 with",
            "levels=7. The authors take 25 to 600 maps and 4 to 10 levels, by task.",
        ),
        rows=("C4",),
        tags=("small", "sequence", "signals", "steps"),
    ),
)
