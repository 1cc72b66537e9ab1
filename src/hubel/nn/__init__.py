"""Layers, activations, losses, initialisations; and instruments for any torch module: taps and modes."""
