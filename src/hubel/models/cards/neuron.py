"""The perceptron."""

from hubel.models.cards import Card

CARDS = (
    Card(
        name="perceptron",
        builder_at="neuron:perceptron",
        title="Rosenblatt's perceptron",
        year=1957,
        reference="F. Rosenblatt, The perceptron: a probabilistic model, Psychological Review 65, 1958",
        novelty="A rule by which a threshold unit learns its weights, and a proof that it will, if weights exist.",
        num_classes=2,
        img_size=20,
        in_chans=1,
        params=802,
        macs=800,
        notes=(
            "Published for the 20x20 photocells of the Mark I; learn(inputs, labels) is the rule of 1957.",
            "One sum per class, the largest wins; with two classes the difference of the two is Rosenblatt's unit.",
            "Starts at zero, as the rule wants. The neuron of McCulloch and Pitts (1943), which has no rule, is "
            "hubel.models.architectures.neuron.threshold_neuron.",
        ),
        rows=("S1", "S2", "S3", "S4", "S19", "S20"),
        tags=("small", "linear", "historic", "points"),
    ),
)
