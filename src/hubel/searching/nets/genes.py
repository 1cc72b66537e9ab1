"""A net as a short word: what is drawn, changed a little, and written out as a layer list.

    layers    net: [conv 16 3, maxpool 2, res 32 3]         macro: one layer after the other (`macro`)
    cells     cell: [[conv 3, conv 3], [sep 5]], maps: 16   micro: paths side by side, joined, added to what came in;
                                                            the same cell again and again (`cells`)
    motifs  motifs: [[sep 3, point, none], …], maps: 16,    hierarchical: a cell of motifs of operations (`motifs`)
            cell: [motif 1, identity, motif 2]
    paths     net: [conv 16 3, maxpool 2, sep 32 5]         one-shot: a path through a net that holds all nets (`paths`)

    gene            layers of it (M maps, window k)
    conv M k        conv M kxk padding=same, norm, activation;  conv M k 2 with a stride of 2
    sep M k         separable M kxk padding=same, norm, activation;  sep M k 2 likewise
    res M k         residual: [conv, norm, activation, conv, norm], activation
    maxpool k       maxpool k;  avgpool k likewise
    dense M         flatten, dense M, activation            only as the last one

Every net ends in dense K, after globalpool where its last gene is not dense M.

>>> layers_of("conv 8 3"), layers_of("sep 8 5 2")
(['conv 8 3x3 padding=same', 'batchnorm', 'relu'], ['separable 8 5x5 stride=2 padding=2', 'batchnorm', 'relu'])
>>> layers_of("conv 8 3", Style(norm="none", activation="gelu"))
['conv 8 3x3 padding=same', 'gelu']
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, TypeVar

from hubel.errors import UnfitLayer, UsageError
from hubel.models.layerlist import follow
from hubel.nn.activations import ACTIVATIONS
from hubel.searching.axes import Space
from hubel.searching.nets.reading import fault, one_of

END = ("globalpool", "dense K")
"""Of a net; without its pooling where a dense layer stands before."""
NORMS = ("batchnorm", "layernorm", "pixelnorm", "none")
One = TypeVar("One")


@dataclass(frozen=True)
class Style:
    """What follows each convolution of a space."""

    norm: str = "batchnorm"
    activation: str = "relu"

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Style:
        """As a space says it, the usual where it does not. Raises UsageError, UnknownName."""
        usual = cls()
        activation = one_of(said.get("activation", usual.activation), "activation", list(ACTIVATIONS))
        try:
            before, after = follow(["conv 6 3x3 padding=same", activation], in_shape=(1, 8, 8), num_classes=2)
        except UnfitLayer as error:
            raise fault("activation", f"cannot be {activation}: {error.what.partition(': ')[2]}", error.hint) from None
        if before.shape != after.shape:
            raise fault("activation", f"must leave as many maps as it gets, and {activation} does not", "relu, gelu, …")
        return cls(one_of(said.get("norm", usual.norm), "norm", NORMS), activation)

    @property
    def normed(self) -> list[str]:
        """The layers between a convolution and its activation."""
        return [] if self.norm == "none" else [self.norm]

    @property
    def after(self) -> list[str]:
        """The layers after a convolution."""
        return [*self.normed, self.activation]

    def plain(self) -> dict[str, Any]:
        """As a space says it."""
        return {"norm": self.norm, "activation": self.activation}


USUAL = Style()


@dataclass(frozen=True, kw_only=True)
class NetSpace(Space):
    """All nets of a kind for pictures of `side` pixels, the smaller side of them."""

    kind: ClassVar[str]
    """As the space calls itself."""
    axes: tuple[Any, ...] = ()
    side: int = 0
    """0 before the pictures are known."""

    def draw(self, random: Random, *, default_net: str = "") -> dict[str, Any]:
        """A net, drawn at random."""
        raise NotImplementedError

    def layers(self, values: Mapping[str, Any]) -> list[Any]:
        """The layer list of a member."""
        raise NotImplementedError

    def mutate(self, values: Mapping[str, Any], random: Random) -> tuple[dict[str, Any], str]:
        """A neighbour of a net, and what was changed."""
        raise NotImplementedError

    def small_nets(self) -> Iterator[dict[str, Any]]:
        """Nets of which one is the smallest there is, whatever it is measured by; the likeliest first."""
        raise NotImplementedError

    def windows(self) -> Iterator[tuple[str, int]]:
        """Where a window is said, and its pixels a side."""
        raise NotImplementedError

    def plain(self) -> dict[str, Any]:
        """The space as YAML holds it."""
        raise NotImplementedError

    def settings(self, values: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
        """The net as a layer list; {} for the defaults."""
        return {} if not values else {"model": "layers", "model_options": {"layers": self.layers(values)}}

    def to_dict(self) -> dict[str, Any]:
        """Plain data that `spaces.recorded` reads back."""
        return {"nets": self.kind, "side": self.side, "space": self.plain()}

    def check_windows(self) -> None:
        """Raise UsageError for a window that is larger than the pictures."""
        for at, window in self.windows():
            if window > self.side:
                raise UsageError(
                    f"in the space of nets, {at} has a window of {window} pixels, and pictures have {self.side} a side",
                    hint=f"take {window} out of {at}, or make pictures larger: --set img_size={2 * window}",
                )


def pick(random: Random, options: Sequence[One]) -> One:
    """One of some, each as likely as any other; where there is one alone, nothing is drawn."""
    return options[0] if len(options) == 1 else random.choice(options)


def layers_of(gene: str, style: Style = USUAL) -> list[Any]:
    """The layers of a gene, as the module says."""
    kind, *numbers = gene.split()
    if "pool" in kind:
        return [gene]
    if kind == "dense":
        return ["flatten", gene, style.activation]
    maps, window, *stride = numbers
    size = f"{maps} {window}x{window}"
    same = f"stride={stride[0]} padding={int(window) // 2}" if stride else "padding=same"
    if kind == "sep":
        return [f"separable {size} {same}", *style.after]
    conv = f"conv {size} {same}"
    if kind == "res":
        return [{"residual": [conv, *style.after, conv, *style.normed]}, style.activation]
    return [conv, *style.after]


def without_dense(genes: Sequence[str]) -> list[str]:
    """The genes of a net but its dense layer, which not every way of searching knows.

    >>> without_dense(["conv 8 3", "dense 64"])
    ['conv 8 3']
    """
    return [gene for gene in genes if not gene.startswith("dense")]
