"""The waist of the house: training ends in a checkpoint, every other bench begins with one.

    weights/NAME.*    what a trained classifier is (`save_weights`, `load`)
    state/NUMBER.*    where a training stands (`save_state`, `load_state`)

Tensors are safetensors, everything else is JSON in a closed schema; no file can name code. An architecture is a key of
the catalogue of models, never an import path.
"""

from hubel.checkpoint.classifier import Classifier, ModelSpec, Provenance, check_classes, golden_images, golden_logits
from hubel.checkpoint.learnt import Learnt
from hubel.checkpoint.saving import EPOCH, packed_size, save_weights
from hubel.checkpoint.state import SavedState, discard_state, generations, load_state, save_state
from hubel.checkpoint.tensors import read_header, read_tensors, write_tensors
from hubel.checkpoint.weights import load

__all__ = [
    "EPOCH",
    "Classifier",
    "Learnt",
    "ModelSpec",
    "Provenance",
    "SavedState",
    "check_classes",
    "discard_state",
    "generations",
    "golden_images",
    "golden_logits",
    "load",
    "load_state",
    "packed_size",
    "read_header",
    "read_tensors",
    "save_state",
    "save_weights",
    "write_tensors",
]
