"""The net of a layer list."""

from hubel.models.cards import Card

CARDS = (
    Card(
        name="layers",
        builder_at=".layers:layers",
        title="Net from a layer list",
        year=2015,
        reference="F. Chollet, Keras, 2015 (the sequential model)",
        novelty="A net written as a list of layers, checked shape by shape before it is built.",
        num_classes=10,
        img_size=28,
        in_chans=1,
        min_size=1,
        params=34_826,
        notes=(
            "create_model('my-net.yaml') and create_model([...]) build it; layers=[...] is its option.",
            "The list of its card is the MNIST convnet with dropout; the smallest picture depends on the list.",
        ),
        rows=("K13", "K14", "K16", "K17", "K18", "K20"),
        tags=("small", "points"),
    ),
)
