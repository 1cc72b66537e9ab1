"""Anti-aliased nets, the feature pyramid, and small nets."""

from hubel.models.cards import Card

_ZHANG = "R. Zhang, Making Convolutional Networks Shift-Invariant Again, ICML 2019, arXiv 1904.11486"
_HAN = (
    "K. Han, Y. Wang, Q. Zhang, W. Zhang, C. Xu, T. Zhang, Model Rubik's Cube: Twisting Resolution, Depth and Width "
    "for TinyNets, NeurIPS 2020, arXiv 2010.14819"
)

# name, title, parameters, multiply-accumulates (those of the blurs included), smallest image
_BLURRED = (
    ("blur_resnet18", "ResNet-18, anti-aliased", 11_689_512, 2_341_724_160, 8),
    ("blur_resnet50", "ResNet-50, anti-aliased", 25_557_032, 5_141_274_624, 8),
    ("blur_vgg16_bn", "VGG-16 with BN, anti-aliased", 138_365_992, 15_494_750_208, 4),
    ("blur_alexnet", "AlexNet, anti-aliased", 61_100_840, 924_441_792, 15),
    ("blur_mobilenet_v2", "MobileNet v2, anti-aliased", 3_504_872, 321_406_016, 8),
)
# letter, side of the image, parameters, multiply-accumulates, ImageNet top-1
_TINY = (
    ("a", 192, 6_187_972, 336_867_712, "77.7"),
    ("b", 188, 3_730_562, 200_709_360, "75.0"),
    ("c", 184, 2_457_234, 99_536_432, "71.2"),
    ("d", 152, 2_338_446, 51_580_656, "67.0"),
    ("e", 106, 2_042_972, 24_356_848, "59.9"),
)

CARDS = (
    *(
        Card(
            name=name,
            builder_at=f"blur:{name}",
            title=title,
            year=2019,
            reference=_ZHANG,
            novelty="A blur before each subsampling: maps move with the picture, and accuracy rises a little.",
            min_size=smallest,
            params=params,
            macs=macs,
            notes=("State dicts of the net without blurs load as they are; taps=3, 4, 5 sets the blur.",),
            rows=("S55",),
            tags=("anti-aliased",),
        )
        for name, title, params, macs, smallest in _BLURRED
    ),
    Card(
        name="fpn",
        builder_at="fpn:fpn",
        title="Feature pyramid (over ResNet-50)",
        year=2016,
        reference="T.-Y. Lin et al., Feature Pyramid Networks for Object Detection, CVPR 2017, arXiv 1612.03144",
        novelty="Coarse maps that know what, added to fine maps that know where, on the way back up.",
        min_size=8,
        params=27_109_416,
        macs=6_929_360_896,
        notes=("backbone='NAME' takes any net with maps of several sizes; the head classifies, the paper's detect.",),
        rows=("S52",),
        tags=("pyramid",),
    ),
    *(
        Card(
            name=f"tinynet_{letter}",
            builder_at=f"tinynet:tinynet_{letter}",
            title=f"TinyNet-{letter.upper()}",
            year=2020,
            reference=_HAN,
            novelty="EfficientNet-B0 made smaller: resolution and depth are worth more than width.",
            img_size=side,
            min_size=8,
            params=params,
            macs=macs,
            accuracy=f"ImageNet top-1 {top1} %",
            notes=("Images of up to 64 pixels skip the first two halvings.",),
            rows=("S51",),
            tags=("mobile", "separable"),
        )
        for letter, side, params, macs, top1 in _TINY
    ),
    Card(
        name="simplenet",
        builder_at="simplenet:simplenet",
        title="SimpleNet",
        year=2016,
        reference="S. Hasanpour, M. Rouhani, M. Fayyaz, M. Sabokrou, Lets keep it simple, Using simple architectures "
        "to outperform deeper and more complex architectures, 2016, arXiv 1608.06037",
        novelty="Thirteen plain layers whose widths and pools were placed with care.",
        num_classes=10,
        img_size=32,
        min_size=4,
        params=5_498_378,
        macs=631_507_456,
        accuracy="CIFAR-10 95.51 %",
        rows=("S51",),
        tags=("small", "plain"),
    ),
    Card(
        name="convnetjs_cifar10",
        builder_at="classroom:convnetjs_cifar10",
        title="ConvNetJS for CIFAR-10",
        year=2014,
        reference="A. Karpathy, ConvNetJS, CIFAR-10 demonstration, 2014",
        novelty="A convolutional net that trains in the browser while one watches its filters.",
        num_classes=10,
        img_size=32,
        min_size=8,
        params=40_898,
        macs=7_680_128,
        accuracy="CIFAR-10 about 80 %",
        notes=("Filters of 7x7 (16x3, 20x16, 20x20), as usually pictured; the page's code has 5x5: kernel=5.",),
        rows=("S56",),
        tags=("small",),
    ),
    Card(
        name="two_conv",
        builder_at="classroom:two_conv",
        title="Two convolutions",
        year=2014,
        reference="The stack by which courses explain volumes of maps (32x32x3 to 32x32x6 to 32x32x10)",
        novelty="The smallest stack: 450 + 540 weights, 990 in all, 1,006 with biases, before the dense layer.",
        num_classes=10,
        img_size=32,
        params=1_116,
        macs=1_013_860,
        rows=("S57",),
        tags=("small",),
    ),
)
