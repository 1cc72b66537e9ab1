"""Arrays in, figures and text tables out. Knows no models; saves and shows nothing."""

import os
from contextlib import suppress

# matplotlib refuses to be imported where MPLBACKEND names no backend that there is, and no figure of ours needs one.
_asked = os.environ.pop("MPLBACKEND", None)
import matplotlib as mpl  # noqa: E402

if _asked is not None:
    os.environ["MPLBACKEND"] = _asked
    with suppress(ValueError):
        mpl.rcParams["backend"] = _asked
