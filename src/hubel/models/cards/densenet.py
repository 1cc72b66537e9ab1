"""DenseNet for ImageNet and for CIFAR."""

from hubel.models.cards import Card

_HUANG = (
    "G. Huang, Z. Liu, L. van der Maaten, K. Weinberger, Densely Connected Convolutional Networks, CVPR 2017, "
    "arXiv 1608.06993"
)
_NOVELTY = "Every layer sees the maps of all layers before it, so that few new maps a layer suffice."

# layers, parameters, multiply-accumulates, published accuracy
_IMAGENET = (
    (121, 7_978_856, 2_834_161_664, "ImageNet top-1 74.43 % (torchvision weights)"),
    (161, 28_681_000, 7_727_907_072, "ImageNet top-1 77.14 % (torchvision weights)"),
    (169, 14_149_480, 3_359_843_328, "ImageNet top-1 75.60 % (torchvision weights)"),
    (201, 20_013_928, 4_291_365_888, "ImageNet top-1 76.90 % (torchvision weights)"),
    (264, 33_337_704, 5_751_653_376, "ImageNet top-1 error 22.15 %"),
)
# layers, growth, parameters, multiply-accumulates, CIFAR-10 error with augmentation, further notes
_CIFAR = (
    (100, 12, 769_162, 287_929_692, "4.51", ()),
    (250, 24, 15_324_406, 5_418_785_724, "3.62", ()),
    (190, 40, 25_624_430, 9_301_945_740, "3.46", ("25.6M parameters; the 40M that circulates is wrong.",)),
)

CARDS = tuple(
    Card(
        name=f"densenet{layers}",
        builder_at=f"densenet:densenet{layers}",
        title=f"DenseNet-{layers}",
        year=2016,
        reference=_HUANG,
        novelty=_NOVELTY,
        min_size=16,
        params=params,
        macs=macs,
        accuracy=accuracy,
        notes=("Images of up to 64 pixels get a 3x3 stem of stride 1 without pooling.",),
        rows=("S46",),
        tags=("dense connections",),
    )
    for layers, params, macs, accuracy in _IMAGENET
) + tuple(
    Card(
        name=f"densenet_bc{layers}_k{growth}",
        builder_at=f"densenet:densenet_bc{layers}_k{growth}",
        title=f"DenseNet-BC-{layers} k={growth} for CIFAR",
        year=2016,
        reference=_HUANG,
        novelty=_NOVELTY,
        num_classes=10,
        img_size=32,
        min_size=4,
        params=params,
        macs=macs,
        accuracy=f"CIFAR-10 test error {error} %",
        notes=notes,
        rows=("S46", "S91"),
        tags=("dense connections", "small"),
    )
    for layers, growth, params, macs, error, notes in _CIFAR
)
