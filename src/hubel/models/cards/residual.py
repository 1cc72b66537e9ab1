"""What grew out of ResNet: plain counterparts, other orders, wider, grouped, gated, shaken, and FractalNet."""

from hubel.models.cards import Card

_HE = "K. He, X. Zhang, S. Ren, J. Sun, Deep Residual Learning for Image Recognition, CVPR 2016, arXiv 1512.03385"
_IDENTITY = "K. He, X. Zhang, S. Ren, J. Sun, Identity Mappings in Deep Residual Networks, ECCV 2016, arXiv 1603.05027"
_WIDE = "S. Zagoruyko, N. Komodakis, Wide Residual Networks, BMVC 2016, arXiv 1605.07146"
_NEXT = (
    "S. Xie, R. Girshick, P. Dollár, Z. Tu, K. He, Aggregated Residual Transformations for Deep Neural Networks, "
    "CVPR 2017, arXiv 1611.05431"
)
_SE = "J. Hu, L. Shen, G. Sun, Squeeze-and-Excitation Networks, CVPR 2018, arXiv 1709.01507"
_SHAKE = "X. Gastaldi, Shake-Shake regularization, 2017, arXiv 1705.07485"
_FRACTAL = (
    "G. Larsson, M. Maire, G. Shakhnarovich, FractalNet: Ultra-Deep Neural Networks without Residuals, ICLR 2017, "
    "arXiv 1605.07648"
)
_STEM = "Images of up to 64 pixels get a 3x3 stem of stride 1 without pooling."
_CUT = "The net of which ResNet is the cure: past some depth it trains worse than a shallower one."
_MORE_MAPS = "Widening a ResNet beats deepening it, at a fraction of the time."
_GROUPS = "Cardinality: splitting a convolution into groups gains more than width or depth for the same cost."
_GATES = "Each map is weighed by a number that the whole picture decides."

# name, title, parameters, multiply-accumulates, published accuracy
_PLAIN = (
    ("plain18", "Plain-18", 11_515_688, 1_794_805_760, "ImageNet top-1 error 27.94 %, 10-crop"),
    ("plain34", "Plain-34", 21_623_848, 3_644_493_824, "ImageNet top-1 error 28.54 %, 10-crop"),
)
_PLAIN_CIFAR = (
    ("plain20", "Plain-20 for CIFAR", 269_722, 40_551_040, ""),
    ("plain32", "Plain-32 for CIFAR", 464_154, 68_862_592, ""),
    ("plain44", "Plain-44 for CIFAR", 658_586, 97_174_144, ""),
    ("plain56", "Plain-56 for CIFAR", 853_018, 125_485_696, ""),
)
_ORDERS = (
    ("resnet110_bn_after_add", "ResNet-110, BN after addition", 1_727_962, 252_887_680, "CIFAR-10 test error 8.17 %"),
    (
        "resnet110_relu_before_add",
        "ResNet-110, ReLU before addition",
        1_727_962,
        252_887_680,
        "CIFAR-10 test error 7.84 %",
    ),
    (
        "resnet110_relu_preact",
        "ResNet-110, ReLU-only pre-activation",
        1_728_058,
        252_887_680,
        "CIFAR-10 test error 6.71 %",
    ),
    ("preact_resnet110", "Pre-activation ResNet-110", 1_730_522, 253_149_824, "CIFAR-10 test error 6.37 %"),
    ("preact_resnet164", "Pre-activation ResNet-164", 1_703_258, 247_646_720, "CIFAR-10 test error 5.46 %"),
    ("preact_resnet1001", "Pre-activation ResNet-1001", 10_327_706, 1_490_995_712, "CIFAR-10 test error 4.92 %"),
)
_PREACT = (
    ("preact_resnet18", "Pre-activation ResNet-18", 11_687_848, 1_814_073_344, ""),
    ("preact_resnet34", "Pre-activation ResNet-34", 21_796_008, 3_663_761_408, ""),
)
_WRN = (
    ("wrn_16_4", "WRN-16-4", 2_748_890, 392_612_352, "CIFAR-10 test error 5.24 % (with dropout)"),
    ("wrn_16_8", "WRN-16-8", 10_961_370, 1_548_145_664, "CIFAR-10 test error 4.27 %"),
    ("wrn_40_4", "WRN-40-4", 8_949_210, 1_298_582_016, "CIFAR-10 test error 4.53 %"),
    ("wrn_28_10", "WRN-28-10", 36_479_194, 5_243_328_768, "CIFAR-10 test error 4.00 % (3.89 with dropout)"),
)
_WIDE_IMAGENET = (
    ("wide_resnet50_2", "Wide ResNet-50-2", 68_883_240, 11_398_021_120, "ImageNet top-1 78.47 % (torchvision weights)"),
    (
        "wide_resnet101_2",
        "Wide ResNet-101-2",
        126_886_696,
        22_753_050_624,
        "ImageNet top-1 78.85 % (torchvision weights)",
    ),
)
_RESNEXT = (
    ("resnext50_32x4d", "ResNeXt-50 32x4d", 25_028_904, 4_230_479_872, "ImageNet top-1 77.62 % (torchvision weights)"),
    (
        "resnext101_32x8d",
        "ResNeXt-101 32x8d",
        88_791_336,
        16_414_015_488,
        "ImageNet top-1 79.31 % (torchvision weights)",
    ),
    (
        "resnext101_64x4d",
        "ResNeXt-101 64x4d",
        83_455_272,
        15_460_270_080,
        "ImageNet top-1 83.25 % (torchvision weights)",
    ),
)
_SENETS = (
    ("se_resnet18", "SE-ResNet-18", 11_778_592, 1_814_160_384, ""),
    ("se_resnet34", "SE-ResNet-34", 21_958_868, 3_663_918_592, ""),
    ("se_resnet50", "SE-ResNet-50", 28_088_024, 4_091_699_200, "ImageNet top-1 error 23.29 %"),
    ("se_resnet101", "SE-ResNet-101", 49_326_872, 7_806_148_608, "ImageNet top-1 error 22.38 %"),
    ("se_resnet152", "SE-ResNet-152", 66_821_848, 11_520_204_800, "ImageNet top-1 error 21.57 %"),
    ("se_resnext50_32x4d", "SE-ResNeXt-50 32x4d", 27_559_896, 4_232_994_816, "ImageNet top-1 error 21.10 %"),
)
_SHAKEN = (
    ("shake_shake26_2x32d", "Shake-Shake 26 2x32d", 2_923_162, 426_689_792, "CIFAR-10 test error 3.55 %"),
    (
        "shake_shake26_2x96d",
        "Shake-Shake 26 2x96d",
        26_192_922,
        3_776_892_672,
        "CIFAR-10 test error 2.86 %, 2.56 with CutOut",
    ),
)
_FRACTALS = (
    (
        "fractalnet20",
        "FractalNet-20",
        33_724_618,
        845_222_912,
        "CIFAR-10 test error 4.60 % (with drop-path and dropout)",
    ),
)

Row = tuple[str, str, int, int, str]


def _family(
    table: tuple[Row, ...],
    module: str,
    *,
    year: int,
    reference: str,
    novelty: str,
    rows: tuple[str, ...],
    tags: tuple[str, ...],
    cifar: bool = False,
    notes: tuple[str, ...] = (),
) -> tuple[Card, ...]:
    return tuple(
        Card(
            name=name,
            builder_at=f"{module}:{name}",
            title=title,
            year=year,
            reference=reference,
            novelty=novelty,
            num_classes=10 if cifar else 1000,
            img_size=32 if cifar else 224,
            min_size=4 if cifar else 8,
            params=params,
            macs=macs,
            accuracy=accuracy,
            notes=notes if cifar else (*notes, _STEM),
            rows=rows,
            tags=tags,
        )
        for name, title, params, macs, accuracy in table
    )


CARDS = (
    *_family(_PLAIN, "plain", year=2015, reference=_HE, novelty=_CUT, rows=("S43",), tags=("plain",)),
    *_family(
        _PLAIN_CIFAR,
        "plain",
        year=2015,
        reference=_HE,
        novelty=_CUT,
        rows=("S43",),
        tags=("plain", "small"),
        cifar=True,
    ),
    *_family(
        _ORDERS,
        "preact_resnet",
        year=2016,
        reference=_IDENTITY,
        novelty="With normalisation and ReLU before each convolution nothing stands on the path of the sums.",
        rows=("S44",),
        tags=("residual", "small"),
        cifar=True,
    ),
    *_family(
        _PREACT,
        "preact_resnet",
        year=2016,
        reference=_IDENTITY,
        novelty="With normalisation and ReLU before each convolution nothing stands on the path of the sums.",
        rows=("S44",),
        tags=("residual",),
    ),
    *_family(
        _WRN,
        "wide_resnet",
        year=2016,
        reference=_WIDE,
        novelty=_MORE_MAPS,
        rows=("S43",),
        tags=("residual",),
        cifar=True,
    ),
    *_family(
        _WIDE_IMAGENET, "wide_resnet", year=2016, reference=_WIDE, novelty=_MORE_MAPS, rows=("S43",), tags=("residual",)
    ),
    *_family(
        _RESNEXT, "resnext", year=2016, reference=_NEXT, novelty=_GROUPS, rows=("S45",), tags=("residual", "grouped")
    ),
    *_family(
        _SENETS, "se_resnet", year=2017, reference=_SE, novelty=_GATES, rows=("S47",), tags=("residual", "attention")
    ),
    *_family(
        _SHAKEN,
        "shake_shake",
        year=2017,
        reference=_SHAKE,
        novelty="Two branches mixed at random, differently on the way forward and back: strong regularisation.",
        rows=("S91",),
        tags=("residual",),
        cifar=True,
    ),
    *_family(
        _FRACTALS,
        "fractalnet",
        year=2016,
        reference=_FRACTAL,
        novelty="Depth without residuals: short paths beside long ones, and drop-path so that each can stand alone.",
        rows=("S90",),
        tags=("plain",),
        cifar=True,
        notes=(
            "The paper counts 38.6M parameters for 20 layers; its rule with the widths it names gives 33.7M.",
            "columns=4 makes 40 layers; the paper's net of 40 is narrower.",
        ),
    ),
)
