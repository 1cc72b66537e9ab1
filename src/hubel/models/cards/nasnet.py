"""NASNet-A."""

from hubel.models.cards import Card

_ZOPH = (
    "B. Zoph, V. Vasudevan, J. Shlens, Q. Le, Learning Transferable Architectures for Scalable Image Recognition, "
    "CVPR 2018, arXiv 1707.07012"
)

# name, title, side, classes, parameters, multiply-accumulates, published accuracy, rows
_NETS = (
    (
        "nasnet_a_mobile",
        "NASNet-A mobile (4 @ 1056)",
        224,
        1000,
        5_289_978,
        563_638_816,
        "ImageNet top-1 74.0 %",
        ("S52",),
    ),
    (
        "nasnet_a_large",
        "NASNet-A large (6 @ 4032)",
        331,
        1000,
        88_753_150,
        23_783_414_658,
        "ImageNet top-1 82.7 %",
        ("S52",),
    ),
    (
        "nasnet_a_cifar",
        "NASNet-A for CIFAR (6 @ 768)",
        32,
        10,
        3_328_234,
        525_786_624,
        "CIFAR-10 test error 3.41 %, 2.65 with CutOut",
        ("S85",),
    ),
)

CARDS = tuple(
    Card(
        name=name,
        builder_at=f"nasnet:{name}",
        title=title,
        year=2017,
        reference=_ZOPH,
        novelty="A cell is searched for on CIFAR-10 and stacked for any size of picture.",
        num_classes=classes,
        img_size=side,
        min_size=8,
        params=params,
        macs=macs,
        accuracy=accuracy,
        notes=("Without the auxiliary head of the training code; 500 GPUs searched four days for the cell.",),
        rows=rows,
        tags=("searched", "separable"),
    )
    for name, title, side, classes, params, macs, accuracy, rows in _NETS
)
