"""Nets that give pictures back."""

from hubel.models.cards import Card

CARDS = (
    Card(
        name="autoencoder",
        builder_at="autoencoder:autoencoder",
        title="Convolutional autoencoder",
        year=2006,
        reference="G. Hinton, R. Salakhutdinov, Reducing the dimensionality of data with neural networks, Science 313, "
        "2006, doi 10.1126/science.1127647",
        novelty="A narrow waist makes the net find what matters; what it cannot give back is strange to it.",
        num_classes=10,
        img_size=28,
        in_chans=1,
        task="reconstruct",
        params=256_331,
        notes=(
            "Convolutional, where the paper stacks dense layers; code=32 sets the waist.",
            "reconstruct(images) and errors(images) use the decoder, which the classifier's logits do not.",
        ),
        rows=("S68", "K29", "C11"),
        tags=("small", "autoencoder"),
    ),
    Card(
        name="vae",
        builder_at="autoencoder:vae",
        title="Variational autoencoder",
        year=2013,
        reference="D. Kingma, M. Welling, Auto-encoding variational Bayes, arXiv 1312.6114",
        novelty="The code is a distribution near N(0, 1), so that codes drawn from that decode to new pictures.",
        num_classes=10,
        img_size=28,
        in_chans=1,
        task="reconstruct",
        loss="elbo",
        params=356_715,
        notes=("Convolutional, where the paper has one hidden layer; code=32 sets the waist.",),
        rows=("S78", "K29"),
        tags=("small", "autoencoder", "variational"),
    ),
    Card(
        name="unet",
        builder_at="autoencoder:unet",
        title="U-Net",
        year=2015,
        reference="O. Ronneberger, P. Fischer, T. Brox, U-Net, MICCAI 2015, arXiv 1505.04597",
        novelty="A decoder as deep as the encoder, with a bridge at every level that brings the fine detail back.",
        num_classes=2,
        img_size=572,
        in_chans=1,
        params=31_036_546,
        notes=(
            "segment(images) answers for every pixel; the logits of a picture are the mean over its pixels.",
            "Padded and with batch norm, where the paper lets maps shrink and has neither.",
            "maps=16 makes it a net for small pictures.",
        ),
        rows=("S69", "S60", "K29", "C11"),
        tags=("autoencoder", "fully convolutional"),
    ),
)
