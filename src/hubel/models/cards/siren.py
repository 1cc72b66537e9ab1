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
            "Takes points B 2 (`grid` of its module makes them), gives colours B 3: `--task field`.",
            "hidden=(256, 256, 256, 256) and omega=30 are those of the paper's picture experiments.",
        ),
        rows=("S76", "C57", "K29"),
        tags=("small", "implicit", "points"),
    ),
    Card(
        name="fourier_field",
        builder_at="fourier_field:fourier_field",
        title="ReLU net over Fourier features",
        year=2020,
        reference="M. Tancik et al., Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional "
        "Domains, NeurIPS 2020, arXiv 2006.10739",
        novelty="Coordinates as sines of many frequencies let a ReLU net hold fine detail.",
        num_classes=3,
        img_size=None,
        in_chans=2,
        params=198_147,
        notes=(
            "Takes points B 2, gives colours B 3: `--task field`.",
            "sigma=10 sets how fine the detail is that it sees easily, waves=128 how many frequencies there are.",
        ),
        rows=("S76",),
        tags=("small", "implicit", "points"),
    ),
)
