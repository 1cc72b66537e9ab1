"""Metric learning."""

from hubel.models.cards import Card

CARDS = (
    Card(
        name="siamese",
        builder_at="siamese:siamese",
        title="Siamese net",
        year=1993,
        reference="J. Bromley et al., Signature verification using a Siamese time delay neural network, NIPS 1993",
        novelty="Two pictures through the same weights: what is learnt is a distance, also between classes never seen.",
        num_classes=10,
        img_size=28,
        in_chans=1,
        min_size=10,
        params=121_920,
        notes=(
            "backbone='resnet18' puts any net under it, backbone_options are its own; width=64 sets the embedding.",
            "Trains as a classifier by its cosine head, or with the losses triplet, contrastive and cosine-embedding.",
        ),
        rows=("S75", "K29", "K87"),
        tags=("small", "metric"),
    ),
)
