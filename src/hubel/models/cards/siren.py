"""Implicit nets."""

from hubel.models.cards import Card

CARDS = (
    Card(
        name="siren",
        builder_at="siren:siren",
        title="SIREN",
        year=2020,
        reference="V. Sitzmann et al., Implicit Neural Representations with Periodic Activations, NeurIPS 2020, "
        "arXiv 2006.09661",
        novelty="A net of sines holds a picture as a function of the coordinates, with all its derivatives.",
        num_classes=3,
        img_size=None,
        in_chans=2,
        params=198_915,
        notes=(
            "Takes points B 2 (`grid` of its module makes them), gives colours B 3: regression, loss mse.",
            "hidden=(256, 256, 256, 256) and omega=30 are those of the paper's picture experiments.",
        ),
        rows=("S76", "C57", "K29"),
        tags=("small", "implicit", "points"),
    ),
)
