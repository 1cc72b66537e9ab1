"""The neocognitron."""

from hubel.models.cards import Card

CARDS = (
    Card(
        name="neocognitron",
        builder_at="neocognitron:neocognitron",
        title="Neocognitron",
        year=1980,
        reference="K. Fukushima, Neocognitron, Biological Cybernetics 36, 1980, doi 10.1007/BF00344251",
        novelty="Layers that find features and layers that forgive their position, in turn: the plan of every convnet.",
        num_classes=10,
        img_size=28,
        in_chans=1,
        min_size=16,
        params=2_010,
        accuracy="ours: 83 % on scikit-learn's digits at 16x16, organised on 400 pictures, logistic regression on top",
        notes=(
            "organise(images) learns the planes without labels or gradients; only the dense head is trained, "
            "and only its parameters count.",
            "On the same digits a linear classifier over pixels gets about 95 %: the idea was the gain, not the score.",
        ),
        rows=("S21",),
        tags=("small", "historic", "unsupervised"),
    ),
)
