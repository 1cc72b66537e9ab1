"""The methods by name: each learns what is normal as a few arrays, and scores pictures by them.

What is learnt is a dictionary of arrays, so that it can be saved without code. A score is larger where a picture is
stranger; a map has one number a place, for the methods that can say where.

Letters: N pictures, C channels, H height, W width, F numbers a picture; h w places of a map.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import nn

from hubel.anomalies import (
    adversarial,
    autoencoders,
    flat,
    flat_graph,
    foreign,
    net_graph,
    patch_graph,
    patchwise,
)
from hubel.anomalies.eyes import Eyes
from hubel.anomalies.settings import Settings, State
from hubel.registry import Registry
from hubel.views import Viewed
from hubel.watching import Watcher

Found = tuple[np.ndarray, np.ndarray | None]
"""Scores N, and maps N h w or None."""


@dataclass(frozen=True, kw_only=True)
class Method(Viewed):
    """One way to tell what is strange."""

    title: str
    """What people call it."""
    fit: Callable[[Eyes, np.ndarray, Settings, Watcher], State]
    """(eyes, normal pictures N C H W uint8, settings, watcher) -> what was learnt."""
    look: Callable[[Eyes, State, np.ndarray], Found]
    """(eyes, what was learnt, pictures) -> scores and maps."""
    graph: Callable[[Eyes, State], nn.Module]
    """(eyes, what was learnt) -> the same as a net, pictures B C H W uint8 to scores B and maps, for exporters. Raises
    UsageError for what cannot be written so."""
    net: bool = False
    """Does it train a net?"""
    pixels_only: bool = False
    """Does it look at pixels whatever the eyes are?"""
    maps: bool = False
    """Can it say where?"""
    formula: str = ""
    """The score in a line."""
    source: str = ""
    """Who proposed it where."""


METHODS: Registry[Method] = Registry("method", listing="hubel anomaly --list")
"""By name, the cheap ones first."""

for _name, _method in {
    "pca": Method(
        title="PCA reconstruction", fit=flat.fit_pca, look=flat.look_pca, graph=flat_graph.Plane, maps=True,
        formula="mean squared distance to the hyperplane of the first components",
        source="Jackson and Mudholkar, Technometrics 1979 (Q statistic)",
    ),
    "knn": Method(
        title="nearest neighbours", fit=flat.fit_knn, look=flat.look_knn, graph=flat_graph.Neighbours,
        formula="mean distance to the five nearest normal pictures",
        source="Ramaswamy, Rastogi, Shim, SIGMOD 2000; Angiulli and Pizzuti 2002",
    ),
    "mahalanobis": Method(
        title="Mahalanobis distance", fit=flat.fit_mahalanobis, look=flat.look_mahalanobis, graph=flat_graph.Gaussian,
        formula="(x - m)' S^-1 (x - m), S from the components with 90 % of the variance and one variance outside",
        source="Mahalanobis 1936; Rippel, Mertens, Merhof, arXiv:2005.14140",
    ),
    "ocsvm": Method(
        title="one-class SVM", fit=flat.fit_ocsvm, look=flat.look_ocsvm, graph=flat_graph.Machine,
        formula="rho - sum over the support vectors of alpha exp(-gamma |x - s|^2)",
        source="Schölkopf et al., Neural Computation 2001",
    ),
    "forest": Method(
        title="isolation forest", fit=flat.fit_forest, look=flat.look_forest, graph=flat_graph.Forest,
        formula="2^(-mean depth / c(samples)): what is strange is cut off after few cuts",
        source="Liu, Ting, Zhou, ICDM 2008",
    ),
    "padim": Method(
        title="PaDiM", fit=patchwise.fit_padim, look=patchwise.look_padim, graph=patch_graph.Places, maps=True,
        formula="largest Mahalanobis distance of a patch to the Gaussian of its place",
        source="Defard et al., arXiv:2011.08785",
    ),
    "patchcore": Method(
        title="PatchCore", fit=patchwise.fit_patchcore, look=patchwise.look_patchcore, graph=patch_graph.Coreset,
        maps=True, formula="largest distance of a patch to the nearest of a coreset of normal patches",
        source="Roth et al., arXiv:2106.08265",
    ),
    "autoencoder": Method(
        title="autoencoder", fit=autoencoders.fit_autoencoder, look=autoencoders.look, graph=net_graph.GivenBack,
        net=True, pixels_only=True, maps=True,
        formula="mean of the largest twentieth of |picture - given back|, each over 3 x 3 places",
        source="Hinton and Salakhutdinov, Science 2006; Sakurada and Yairi, MLSDA 2014",
    ),
    "vae": Method(
        title="variational autoencoder", fit=autoencoders.fit_vae, look=autoencoders.look, graph=net_graph.GivenBack,
        net=True, pixels_only=True, maps=True,
        formula="mean of the largest twentieth of |picture - given back|, each over 3 x 3 places",
        source="Kingma and Welling, arXiv:1312.6114; An and Cho 2015",
    ),
    "anogan": Method(
        title="f-AnoGAN", fit=adversarial.fit, look=adversarial.look, graph=net_graph.MadeInstead,
        net=True, pixels_only=True, maps=True,
        formula="|x - G(E(x))| at its largest + weight |f(x) - f(G(E(x)))|: generator G, encoder E, f of the critic",
        source="Schlegl et al., f-AnoGAN, Medical Image Analysis 2019",
    ),
    "fpi": Method(
        title="foreign patch interpolation", fit=foreign.fit, look=foreign.look, graph=net_graph.ForeignShare,
        net=True, pixels_only=True, maps=True,
        formula="share of a foreign picture that a net sees at every place",
        source="Tan et al., arXiv:2011.04197",
    ),
}.items():  # fmt: skip
    METHODS.add(_name, _method)
