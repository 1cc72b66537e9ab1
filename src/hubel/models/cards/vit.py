"""Vision Transformers."""

from hubel.models.cards import Card

_PAPER = "A. Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021, arXiv 2010.11929"
_NOVELTY = "Patches are words: attention alone, without convolution, reads a picture when there is enough data."
_HEAD = "The head starts at small random weights, not at zero, so that the first step reaches the whole net."


def _card(name: str, title: str, params: int, *, patch: int, accuracy: str) -> Card:
    return Card(
        name=name,
        builder_at=f"vit:{name}",
        title=title,
        year=2020,
        reference=_PAPER,
        novelty=_NOVELTY,
        min_size=patch,
        params=params,
        accuracy=accuracy,
        notes=(_HEAD, f"Sides of the picture must be multiples of the patch, {patch} pixels."),
        rows=("S78",),
        tags=("transformer", "attention", "torchvision"),
    )


CARDS = (
    _card("vit_b_16", "ViT-B/16", 86_567_656, patch=16, accuracy="ImageNet top-1 81.07 % (torchvision weights)"),
    _card("vit_b_32", "ViT-B/32", 88_224_232, patch=32, accuracy="ImageNet top-1 75.91 % (torchvision weights)"),
    _card("vit_l_16", "ViT-L/16", 304_326_632, patch=16, accuracy="ImageNet top-1 79.66 % (torchvision weights)"),
    _card("vit_l_32", "ViT-L/32", 306_535_400, patch=32, accuracy="ImageNet top-1 76.97 % (torchvision weights)"),
    _card("vit_h_14", "ViT-H/14", 632_045_800, patch=14, accuracy="ImageNet top-1 88.55 % (pre-trained on JFT-300M)"),
    Card(
        name="vit_tiny",
        builder_at="vit:vit_tiny",
        title="ViT for small pictures",
        year=2020,
        reference=_PAPER,
        novelty="Six layers of three heads over 7x7 patches of 4 pixels: attention that fits on a screen.",
        num_classes=10,
        img_size=28,
        in_chans=1,
        min_size=4,
        params=456_394,
        notes=(_HEAD, "Widths are ours; the paper has no net this small.", "Sides must be multiples of 4 pixels."),
        rows=("S78",),
        tags=("transformer", "attention", "small"),
    ),
)
