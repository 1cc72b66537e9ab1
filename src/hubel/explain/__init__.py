"""Why a net decided as it did: attributions on any torch module, what its units look for, and how far to trust a map.

The door of the room is `attribute`; its methods are in `EXPLAINERS`. Results are plain arrays.

The room shares its name with the verb `hubel.explain(run, picture)`. Python puts an imported package in the
place of any function of that name, so the room itself can be called, and calls the verb.
"""

import importlib
import sys
from types import ModuleType
from typing import Any

from hubel.explain.attribution import Attribution
from hubel.explain.explainers import EXPLAINERS, Explainer, attribute

__all__ = ["EXPLAINERS", "Attribution", "Explainer", "attribute"]


class _Room(ModuleType):
    def __call__(self, *args: Any, **settings: Any) -> Any:
        return importlib.import_module("hubel.verbs.explain").explain(*args, **settings)


sys.modules[__name__].__class__ = _Room
