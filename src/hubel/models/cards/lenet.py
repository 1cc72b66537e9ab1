"""The LeNets."""

from hubel.models.cards import Card

_1998 = (
    "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-Based Learning Applied to Document Recognition, "
    "Proceedings of the IEEE 86(11), 1998, doi 10.1109/5.726791"
)

CARDS = (
    Card(
        name="lenet1989",
        builder_at="lenet:lenet1989",
        title="LeNet (1989)",
        year=1989,
        reference="Y. LeCun et al., Backpropagation Applied to Handwritten Zip Code Recognition, "
        "Neural Computation 1(4), 1989, doi 10.1162/neco.1989.1.4.541",
        novelty="First net with shared weights trained by back-propagation on real pictures: zip codes from envelopes.",
        num_classes=10,
        img_size=16,
        in_chans=1,
        min_size=4,
        params=9_760,
        macs=82_860,
        accuracy="zip codes, test error 5.0 % (1 % error after rejecting 12.1 %)",
        notes=(
            "The activation is a scaled tanh; that it was a plain sigmoid, as is sometimes said, is not in the paper.",
            "Which 8 of the 12 maps each map of H2 sees is not printed; here they follow each other in a circle.",
            "The outputs are logits here; the paper squashes them and minimises the squared error.",
            "macs counts the dense form that is computed; the table of H2 needs two thirds of it.",
        ),
        rows=("S22",),
        tags=("historic", "small"),
    ),
    Card(
        name="lenet5",
        builder_at="lenet:lenet5",
        title="LeNet-5",
        year=1998,
        reference=_1998,
        novelty="Convolution, trainable subsampling and dense layers in the order that most nets kept since.",
        num_classes=10,
        img_size=32,
        in_chans=1,
        min_size=8,
        params=60_000,
        macs=415_680,
        accuracy="MNIST test error 0.95 % (0.8 % with distorted copies)",
        notes=(
            "60,000 is the paper's own tally C1 to F6; the RBF codes are fixed. output='dense' adds 850.",
            "28x28 pictures get a margin of 2 zeros, which makes the paper's 32x32.",
            "It is from 1998; 1995 is the year of the demonstration video.",
            "macs counts the dense form that is computed; table I of the paper needs 150,000 of the 240,000 of C3.",
        ),
        rows=("S23", "S25"),
        tags=("historic", "small"),
    ),
    Card(
        name="lenet5_modern",
        builder_at="lenet:lenet5_modern",
        title="LeNet-5, as taught today",
        year=1998,
        reference=_1998,
        novelty="LeNet-5 with ReLU, max-pooling and a dense output, as most courses write it.",
        num_classes=10,
        img_size=32,
        in_chans=1,
        min_size=12,
        params=61_706,
        macs=416_520,
        accuracy="MNIST about 99.0 %",
        notes=(
            "400-120-84-10 behind the convolutions; a code that circulates has 120-84-10 there and cannot run.",
            "Without biases and the last layer 60,630 weights and 415,680 multiply-accumulates; tables that "
            "say 0.6M and 4M are ten times too high: AlexNet is 771 times as large and 2,420 times as costly, "
            "not 11 and 250 times.",
        ),
        rows=("S24", "S25", "S26"),
        tags=("small",),
    ),
)
