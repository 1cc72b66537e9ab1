"""Architectures: spaces of layer lists and of cells, and who proposes members of them, each as its paper has it."""
