"""What each way of searching nets is, as its paper has it, for the page; and the phases by which it is judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from hubel.searching.nets.engines import BEAM, EPSILON, POPULATION, SAMPLE
from hubel.searching.nets.motifs import SHUFFLES
from hubel.searching.nets.one_shot import JUDGED
from hubel.searching.nets.reinforce import POWER

PAPERS = {
    "random": (
        "Random search",
        "C. Sciuto et al., arXiv:1902.08142; L. Li, A. Talwalkar, arXiv:1902.07638",
        "Every net is drawn by itself, whatever the others reached. Within a good space this is hard to beat: both "
        "papers found published methods no better than chance.",
    ),
    "evolution": (
        "Ageing evolution (AmoebaNet)",
        "E. Real, A. Aggarwal, Y. Huang, Q. Le, arXiv:1802.01548, algorithm 1",
        f"The population holds the {POPULATION} youngest nets. {SAMPLE} of them meet by chance, the best is copied "
        "with one change, and the oldest dies, however good it was: a net that was lucky once is forgotten, and only "
        "what is good again in its children stays.",
    ),
    "hierarchical": (
        "Hierarchical evolution",
        "H. Liu, K. Simonyan, O. Vinyals, C. Fernando, K. Kavukcuoglu, arXiv:1711.00436, section 3",
        f"Operations make motifs, and motifs the cell, which every stage of the net repeats. The first {POPULATION} "
        f"nets are {SHUFFLES} random changes away from one of identities alone. Then {SAMPLE} of all nets so far meet, "
        "the best is copied, and at one level one edge of one graph is put in, left out or exchanged: a change within "
        "a motif shows wherever the cell uses it. None dies.",
    ),
    "q-learning": (
        "Q-learning (MetaQNN)",
        "B. Baker, O. Gupta, N. Naik, R. Raskar, arXiv:1611.02167, section 4",
        "An agent lays layer upon layer and is paid the accuracy of the finished net. What it has learnt of a choice, "
        "Q(state, layer), moves by a tenth towards the best that follows; all nets so far are replayed. A share ε of "
        f"its moves is random: {', '.join(f'{share:g}' for _, share in EPSILON)}, one after the other.",
    ),
    "progressive": (
        "Progressive search (PNAS)",
        "C. Liu et al., arXiv:1712.00559, algorithm 1",
        f"From shallow to deep, {BEAM} nets of each depth. A predictor that has seen all results so far (a ridge "
        "regression here, a recurrent net in the paper) judges every extension of the best by one layer, and only the "
        "most promising are trained.",
    ),
    "morphism": (
        "Net morphism (hill climbing)",
        "T. Elsken, J.-H. Metzen, F. Hutter, arXiv:1711.04528, algorithm 1; T. Chen et al. (Net2Net), arXiv:1511.05641",
        "The best net so far is made wider, deeper or further-sighted by one step that keeps what it computes, and the "
        "child trains on from there. So a net at the end has been trained through all its ancestors, for many more "
        "epochs than one that is drawn: its accuracy here is that of the whole line, and the command that trains it "
        "anew starts from nothing.",
    ),
    "reinforce": (
        "Reinforcement learning (NAS)",
        "B. Zoph, Q. Le, arXiv:1611.01578, section 3",
        "A recurrent net, the controller, writes a net word by word: kind, maps and window of each layer, each drawn "
        f"as the words before it have it. What the finished net reaches, to the power of {POWER}, is its reward; "
        "REINFORCE makes all its words likelier if that is more than a moving mean of the rewards so far, and less "
        "likely otherwise. The controller begins knowing nothing, so the first nets are drawn at random.",
    ),
    "enas": (
        "Weight sharing (ENAS)",
        "H. Pham et al., arXiv:1802.03268, section 2",
        "One net holds all nets, and each batch trains another path through it: any in the first quarter, then one "
        "that a controller writes, which learns by REINFORCE from what paths reach on validation samples with the "
        f"weights they share. {JUDGED} paths that it writes in the end are judged so, and the trials below are the "
        "best of them, in that order, each trained by itself. So if shared weights tell good nets from bad ones, the "
        "first trials are the best.",
    ),
    "smash": (
        "Generated weights (SMASH)",
        "A. Brock, T. Lim, J. Ritchie, N. Weston, arXiv:1708.05344, algorithm 1",
        "A hypernet looks at an architecture and says its weights. Each batch draws another net at random, and the "
        f"error goes through its weights into the hypernet. {JUDGED} nets are then judged with the weights that are "
        "said for them, none of them trained, and the trials below are the best of them, in that order, each trained "
        "by itself.",
    ),
}
"""Way -> its name, its paper, and how it goes."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Trials of one part of a search."""

    name: str
    nets: int
    mean: float
    best: float


def phases(how: str, scored: Sequence[tuple[str, float]]) -> list[Phase]:
    """The parts of a search: (origin, score) of each net in order.

    >>> [phase.name for phase in phases("progressive", [("depth 2, drawn", 0.5), ("depth 3, expected 90 %", 0.6)])]
    ['depth 2', 'depth 3']
    """
    groups: dict[str, list[float]] = {}
    for place, (origin, score) in enumerate(scored):
        if how == "q-learning":
            name = origin.partition(":")[0]
        elif how == "progressive":
            name = origin.partition(",")[0]
        else:
            first = place - place % POPULATION
            name = f"nets {first + 1} to {min(first + POPULATION, len(scored))}"
        groups.setdefault(name, []).append(score)
    return [Phase(name=n, nets=len(s), mean=fmean(s), best=max(s)) for n, s in groups.items()]
