"""Why a net decided as it did: attributions on any torch module, and how far to trust a map.

The door of the room is `attribute`; its methods are in `EXPLAINERS`. Results are plain arrays.
"""

from hubel.explainers.attribution import Attribution, Raw
from hubel.explainers.methods import EXPLAINERS, Explainer, attribute

__all__ = ["EXPLAINERS", "Attribution", "Explainer", "Raw", "attribute"]
