"""The two MNIST convnets."""

from hubel.models.cards import Card

_KERAS = "F. Chollet, Simple MNIST convnet, Keras code examples, 2015"

CARDS = (
    Card(
        name="mnist_cnn",
        builder_at="mnist:mnist_cnn",
        title="MNIST convnet",
        year=2015,
        reference=_KERAS,
        novelty="The usual first convolutional net: two 3x3 convolutions with max-pooling, one dense layer.",
        num_classes=10,
        img_size=28,
        in_chans=1,
        min_size=10,
        params=34_826,
        macs=2_440_960,
        accuracy="MNIST about 99.0 % after 15 epochs",
        rows=("S27",),
        tags=("small",),
    ),
    Card(
        name="mnist_gap",
        builder_at="mnist:mnist_gap",
        title="MNIST fully convolutional net",
        year=2014,
        reference="Head after M. Lin, Q. Chen, S. Yan, Network In Network, ICLR 2014, arXiv 1312.4400, section 3.2",
        novelty="A 1x1 convolution and global average pooling replace the dense head, so that any image size fits.",
        num_classes=10,
        img_size=28,
        in_chans=1,
        min_size=10,
        params=19_466,
        macs=2_440_960,
        rows=("S28",),
        tags=("small", "fully convolutional"),
    ),
)
