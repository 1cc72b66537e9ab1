"""AlexNet, its retellings, and ZFNet."""

from hubel.models.cards import Card

_2012 = (
    "A. Krizhevsky, I. Sutskever, G. Hinton, ImageNet Classification with Deep Convolutional Neural Networks, "
    "NeurIPS 2012, doi 10.1145/3065386"
)
_SMALL = "Images of up to 64 pixels get a 5x5 stem of stride 1, an average and dense layers of 1024."

CARDS = (
    Card(
        name="alexnet2012",
        builder_at="alexnet:alexnet2012",
        title="AlexNet (2012, two groups)",
        year=2012,
        reference=_2012,
        novelty="Deep, with ReLU, dropout and heavy augmentation, trained on two GPUs: its 15.3 % of top-5 "
        "errors on ImageNet were 42 % fewer than the 26.2 % of the next best entry.",
        min_size=15,
        params=60_965_224,
        macs=724_406_816,
        accuracy="ImageNet top-5 error 18.2 % (one net), 16.4 % (five), 15.3 % (seven, two of them pre-trained)",
        notes=(
            "conv2, conv4 and conv5 have two groups, the two GPUs of the paper.",
            "The paper says 224x224, its sizes need 227x227; a padding of 2 gives its 55x55 from 224.",
            _SMALL,
        ),
        rows=("S29",),
        tags=("historic",),
    ),
    Card(
        name="alexnet",
        builder_at="alexnet:alexnet",
        title="AlexNet (one column)",
        year=2014,
        reference="A. Krizhevsky, One weird trick for parallelizing convolutional neural networks, 2014, arXiv "
        "1404.5997",
        novelty="AlexNet on one device, without response normalisation; the form that libraries ship.",
        min_size=15,
        params=61_100_840,
        macs=714_188_480,
        accuracy="ImageNet top-1 56.52 % (torchvision weights)",
        notes=(
            "From 227x227 its maps are 56, 27, 13, 6 and it costs 716.8M multiply-accumulates, 149.5M of them in conv4 "
            "(145M circulates); from 224x224 the first map is 55.",
            "The first dense layer has 9,216 x 4,096 + 4,096 = 37,752,832 parameters (9126 and 37,725,832 circulate).",
            _SMALL,
        ),
        rows=("S29", "S30", "S32"),
        tags=("historic",),
    ),
    Card(
        name="alexnet_d2l",
        builder_at="alexnet:alexnet_d2l",
        title="AlexNet (textbook)",
        year=2023,
        reference="A. Zhang, Z. Lipton, M. Li, A. Smola, Dive into Deep Learning, 2023, section 8.1, arXiv 2106.11342",
        novelty="AlexNet with the channels of both GPUs in one column, as the textbook builds it.",
        min_size=15,
        params=50_844_008,
        macs=1_009_945_728,
        notes=(
            "Without biases and the last layer 46,737,440 weights and 1,005,849,728 multiply-accumulates (46M and 1G).",
            "A 3x3 convolution of 128 maps that is sometimes drawn before the first layer is a slip.",
            _SMALL,
        ),
        rows=("S31",),
        tags=("historic",),
    ),
    Card(
        name="zfnet",
        builder_at="zfnet:zfnet",
        title="ZFNet",
        year=2013,
        reference="M. Zeiler, R. Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, arXiv "
        "1311.2901",
        novelty="AlexNet improved by looking into it: deconvolution showed that its first layer was too coarse.",
        min_size=15,
        params=62_357_608,
        macs=1_168_032_896,
        accuracy="ImageNet top-5 error 16.0 % (one net); 11.7 % is the ensemble of the company Clarifai, 2013",
        notes=("Images of up to 64 pixels get strides of 1, an average and dense layers of 1024.",),
        rows=("S33",),
        tags=("historic",),
    ),
)
