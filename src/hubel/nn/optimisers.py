"""Optimisers by name. The arithmetic is torch.optim's; what is ours is how a net's parameters are put into groups.

Letters: w weight, g gradient of the loss, η learning rate, v velocity, β γ ρ decay rates, t step, ε a small number.

Every group of every optimiser holds its `base_lr`, so that a loop that follows a schedule sets `lr = base_lr * factor`.
Weight decay is decoupled in AdamW and Muon (w ← w − ηλw beside the step, Loshchilov & Hutter, arXiv:1711.05101) and is
the gradient of an L2 penalty (g ← g + λw, before momentum and scaling) in the others: for plain SGD that is the same
thing, for Adam and its kin it is not. It spares biases and the scales and shifts of normalisations (every parameter of
one dimension): they are few, they do not overfit, and pulling a scale to nought only makes the next layer work against
it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import nn
from torch.optim.adamw import adamw

from hubel.errors import UsageError, unknown
from hubel.registry import Component, Registry, check_options

__all__ = ["OPTIMISERS", "Muon", "Optimiser", "build_optimiser", "depths", "orthogonalise", "parameter_groups"]

Group = dict[str, Any]
Groups = list[Group]


@dataclass(frozen=True, kw_only=True)
class Optimiser(Component[Callable[..., torch.optim.Optimizer]]):
    """An update rule: `build(groups, **settings)`, with the settings it knows and their usual values."""

    lr: float
    """A learning rate to start from."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What else it takes (momentum, betas, eps, rho, alpha), with the values it has if nothing is said."""
    fuses: bool = False
    """Can the whole step run as one kernel?"""


OPTIMISERS: Registry[Optimiser] = Registry("optimiser", listing="hubel components optimisers")


def build_optimiser(
    name: str,
    model: nn.Module,
    *,
    lr: float,
    weight_decay: float = 0.0,
    groups: Mapping[str, float] | None = None,
    layer_decay: float = 1.0,
    **settings: Any,
) -> torch.optim.Optimizer:
    """The optimiser called `name` over the trainable parameters of `model`, which must be on its device already.

    `lr` is the base rate; `groups` multiplies it for the modules named ({"layer1": 0.1}); `layer_decay` multiplies it
    once per stage from the head down (as in BEiT, arXiv:2106.08254, section 3.1). A setting that is None has the usual
    value of the rule; one that the rule does not have is refused.
    The result's state is made of tensors and numbers only.

    Raises UnknownName for an unknown optimiser or module, UsageError for a setting that cannot be.

    >>> net = nn.Linear(3, 2)
    >>> optimiser = build_optimiser("momentum", net, lr=0.1, weight_decay=1e-4)
    >>> [(group["base_lr"], group["weight_decay"], len(group["params"])) for group in optimiser.param_groups]
    [(0.1, 0.0001, 1), (0.1, 0.0, 1)]
    >>> build_optimiser("adam", net, lr=0.1, momentum=0.9)
    Traceback (most recent call last):
        ...
    hubel.errors.UsageError: optimiser 'adam' has no setting 'momentum'
      it takes: betas, eps
    """
    rule = OPTIMISERS.get(name)
    if not lr > 0:
        raise UsageError(f"the learning rate must be above 0, got {lr}", hint=f"{name} usually starts from {rule.lr}")
    if weight_decay < 0:
        raise UsageError(f"weight_decay must not be negative, got {weight_decay}", hint="0 switches it off")
    chosen = dict(rule.settings)
    given = {setting: value for setting, value in settings.items() if value is not None}
    check_options(f"optimiser {name!r}", given, rule.settings, word="setting", else_="nothing but lr and weight_decay")
    chosen |= {setting: tuple(value) if setting == "betas" else value for setting, value in given.items()}
    parts = parameter_groups(model, lr=lr, weight_decay=weight_decay, groups=groups, layer_decay=layer_decay)
    if isinstance(rule.build, type) and issubclass(rule.build, Muon):
        head = getattr(model, "head", "")  # its name, or, of nets from elsewhere, the module of that name itself
        parts = list(_apart(parts, head=head if isinstance(head, str) else "head", rest=rule.build.rest))
    elif rule.fuses and _can_fuse(parts):
        chosen["fused"] = True
    for part in parts:
        part.pop("names")
    try:
        return rule.build(parts, **chosen)
    except ValueError as error:  # torch checks ranges: betas in [0, 1), eps >= 0, ...
        raise UsageError(
            f"optimiser {name!r} refuses its settings: {error}",
            hint=f"its usual settings: {dict(rule.settings)}",
        ) from error


def parameter_groups(
    model: nn.Module,
    *,
    lr: float,
    weight_decay: float = 0.0,
    groups: Mapping[str, float] | None = None,
    layer_decay: float = 1.0,
) -> Groups:
    """The trainable parameters, gathered by learning rate and weight decay: dictionaries as torch.optim wants them.

    Besides params, lr and weight_decay each has `base_lr` and, for reading, the `names` of its parameters.

    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4, 2))
    >>> for group in parameter_groups(net, lr=1.0, weight_decay=0.1, groups={"0": 0.5}):
    ...     print(group["base_lr"], group["weight_decay"], group["names"])
    0.5 0.1 ['0.weight']
    0.5 0.0 ['0.bias']
    1.0 0.1 ['2.weight']
    1.0 0.0 ['2.bias']
    """
    if not 0 < layer_decay <= 1:
        raise UsageError(
            f"layer_decay must be above 0 and at most 1, got {layer_decay}", hint="1 gives all layers one rate"
        )
    factors = dict(groups or {})
    modules = [name for name, _ in model.named_modules() if name]
    for prefix, factor in factors.items():
        if prefix not in modules:
            raise unknown("layer", prefix, modules)
        if factor < 0:
            raise UsageError(
                f"the rate of layer {prefix!r} must not be negative, got a factor of {factor}",
                hint="0 leaves the layer as it is, 1 gives it the full rate",
            )
    far = depths(model)
    found: dict[tuple[float, float], Group] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        owners = [prefix for prefix in factors if name.startswith(f"{prefix}.")]
        factor = factors[max(owners, key=len)] if owners else 1.0
        rate = lr * factor * layer_decay ** far[name]
        decay = weight_decay if parameter.ndim > 1 else 0.0
        empty: Group = {"params": [], "names": [], "lr": rate, "base_lr": rate, "weight_decay": decay}
        group = found.setdefault((rate, decay), empty)
        group["params"].append(parameter)
        group["names"].append(name)
    if not found:
        raise UsageError(
            f"{type(model).__name__} has no trainable parameter", hint="unfreeze a layer, the head at least"
        )
    return list(found.values())


def depths(model: nn.Module, names: Iterable[str] | None = None) -> dict[str, int]:
    """How many stages lie between each of `names` and the head: 0 in the head, 1 in the last stage, most in the stem.

    `names` are those of parameters or modules; all parameters if not given. Modules count in the order of construction.
    What stands between two stages is part of the later one, which it leads to; what follows the last one is part of
    that. What comes before the first stage is a stem of its own, unless that stage is a bare activation or pooling.

    >>> from hubel.models import create_model
    >>> found = depths(create_model("resnet18", num_classes=2))
    >>> found["fc.weight"], found["layer4.0.conv1.weight"], found["layer1.0.conv1.weight"], found["conv1.weight"]
    (0, 1, 4, 5)
    """
    head: str = getattr(model, "head", "")
    modules = [name for name, _ in model.named_modules()]
    stages = [stage for stage in getattr(model, "stages", ()) if stage in modules]
    place = {name: number for number, name in enumerate(modules)}
    ends = [max(place[name] for name in modules if f"{name}.".startswith(f"{stage}.")) for stage in stages]
    has_stem = bool(stages) and next(model.get_submodule(stages[0]).parameters(), None) is not None
    found = {}
    for name in [name for name, _ in model.named_parameters()] if names is None else names:
        at = place[name if name in place else name.rpartition(".")[0]]
        done = sum(end < at for end in ends)
        if head and f"{name}.".startswith(f"{head}."):
            found[name] = 0
        elif has_stem and at < place[stages[0]]:
            found[name] = len(stages) + 1
        else:
            found[name] = max(1, len(stages) - done)
    return found


def _can_fuse(parts: Groups) -> bool:
    parameters = [parameter for part in parts for parameter in part["params"]]
    return all(p.is_floating_point() and p.device.type in ("cpu", "cuda", "mps") for p in parameters)


def _apart(parts: Groups, *, head: str, rest: float) -> Iterator[Group]:
    """Each group in two: matrices and filters for Muon; the head and whatever has one dimension for AdamW.

    The second has the share `rest` of the rate.
    """
    for part in parts:
        pairs = list(zip(part["names"], part["params"], strict=True))
        for matrices in (True, False):
            chosen = [(n, p) for n, p in pairs if matrices == (p.ndim > 1 and not (head and n.startswith(f"{head}.")))]
            if chosen:
                rate = part["lr"] if matrices else rest * part["lr"]
                names, params = [n for n, _ in chosen], [p for _, p in chosen]
                yield part | {"names": names, "params": params, "matrices": matrices, "lr": rate, "base_lr": rate}


class Muon(torch.optim.Optimizer):
    """Momentum, then the update matrix made orthogonal, so that every direction of a layer learns at the same speed.

    Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024. A filter bank O C H W counts as a
    matrix O × CHW (torch.optim.Muon takes plain matrices only). The update is scaled by 0.2·sqrt(max(O, CHW)), which
    gives it the size of an AdamW step (Liu et al., arXiv:2502.16982), so that one rate and one weight decay fit both
    the matrices and the rest: groups without `matrices` (biases, scales, the head) are left to AdamW.

    >>> net = nn.Conv2d(3, 8, 3)
    >>> optimiser = build_optimiser("muon", net, lr=0.01)
    >>> [group["matrices"] for group in optimiser.param_groups]
    [True, False]
    """

    rest = 1.0
    """The share of the rate that AdamW works with."""

    def __init__(
        self,
        groups: Groups,
        *,
        lr: float = 1e-3,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        if not 0 <= momentum < 1 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"momentum and betas must be in [0, 1), got {momentum} and {betas}")
        settings = {"lr": lr, "momentum": momentum, "betas": betas, "eps": eps, "weight_decay": 0.0, "matrices": True}
        super().__init__(groups, settings)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One update of every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if group["matrices"]:
                self._step_matrices(parameters, group)
            elif parameters:
                self._step_rest(parameters, group)
        return loss

    def _step_matrices(self, parameters: list[torch.Tensor], group: Group) -> None:
        by_shape: dict[tuple[int, int], list[tuple[torch.Tensor, torch.Tensor]]] = {}
        for w in parameters:
            g = cast(torch.Tensor, w.grad)
            state = self.state[w]
            if not state:
                state["momentum_buffer"] = torch.zeros_like(w)
            v: torch.Tensor = state["momentum_buffer"]
            v.mul_(group["momentum"]).add_(g)
            looking_ahead = g.add(v, alpha=group["momentum"])  # Nesterov's form
            matrix = looking_ahead.reshape(len(w), -1)
            by_shape.setdefault((matrix.shape[0], matrix.shape[1]), []).append((w, matrix))
        for pairs in by_shape.values():  # layers of one shape go through the iteration together
            updates = orthogonalise(torch.stack([matrix for _, matrix in pairs]))
            for (w, _), update in zip(pairs, updates, strict=True):
                self._move(w, update.reshape(w.shape).to(w.dtype), group)

    def _move(self, w: torch.Tensor, update: torch.Tensor, group: Group) -> None:
        """One bank moved along its orthogonal update."""
        size = 0.2 * max(len(w), w[0].numel()) ** 0.5
        w.mul_(1 - group["lr"] * group["weight_decay"])
        w.add_(update, alpha=-group["lr"] * size)

    def _step_rest(self, parameters: list[torch.Tensor], group: Group) -> None:
        for w in parameters:
            if not self.state[w]:
                zero = torch.zeros((), dtype=torch.float32)
                self.state[w].update(step=zero, exp_avg=torch.zeros_like(w), exp_avg_sq=torch.zeros_like(w))
        states = [self.state[w] for w in parameters]
        adamw(
            parameters,
            [cast(torch.Tensor, w.grad) for w in parameters],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )


class SphereMuon(Muon):
    """Muon for banks whose scale does not matter, because a normalisation follows each of them.

    Before each step a bank is brought to the norm of an orthogonal one, sqrt(O), so that the rate alone says how far
    its directions turn; weight decay would have nothing left to do there (as in Jordan's airbench94_muon, 2024). The
    rate of a turn is far too large for the rest, which AdamW moves at a share of it.

    >>> net = nn.Conv2d(3, 8, 3)
    >>> optimiser = build_optimiser("muon-sphere", net, lr=1.0)
    >>> [group["base_lr"] for group in optimiser.param_groups]
    [1.0, 0.05]
    """

    rest = 0.05

    def _move(self, w: torch.Tensor, update: torch.Tensor, group: Group) -> None:
        if not group["lr"]:
            return  # a bank at rest keeps its scale too
        w.mul_(len(w) ** 0.5 / w.norm())
        w.add_(update, alpha=-group["lr"])


def orthogonalise(matrices: torch.Tensor, *, steps: int = 5) -> torch.Tensor:
    """Each matrix (… rows columns) with its singular values pulled towards 1 (0.7 to 1.2), its directions kept.

    A Newton–Schulz iteration, X ← aX + (bA + cA²)X with A = XXᵀ, whose quintic is steep at nought so that five steps do
    (Jordan 2024; the coefficients are the author's). In bfloat16 on CUDA, where that is fast and exact enough.

    >>> spread = torch.linalg.svdvals(orthogonalise(torch.diag(torch.tensor([9.0, 3.0, 1.0]))))
    >>> bool((spread > 0.6).all() and (spread < 1.3).all())
    True
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrices.bfloat16() if matrices.is_cuda else matrices
    tall = x.shape[-2] > x.shape[-1]
    if tall:  # the products below are rows × rows: take the smaller side
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    if x.dtype == torch.bfloat16 or x.shape[-1] < 2 * x.shape[-2]:
        for _ in range(steps):
            gram = x @ x.mT
            x = a * x + (b * gram + c * gram @ gram) @ x
        return x.mT if tall else x
    # A wide matrix is only ever multiplied from the left by polynomials of A. They commute, so the small squares are
    # iterated alone and x is multiplied once: two fifths of the cost for 3×3 filters. bfloat16 is too coarse for it.
    gram = x @ x.mT
    product = torch.eye(x.shape[-2], dtype=x.dtype, device=x.device).expand_as(gram)
    for _ in range(steps):
        polynomial = b * gram + c * gram @ gram
        polynomial.diagonal(dim1=-2, dim2=-1).add_(a)
        product = polynomial @ product
        gram = polynomial @ polynomial @ gram
    x = product @ x
    return x.mT if tall else x


def _sgd(nesterov: bool = False) -> Callable[..., torch.optim.Optimizer]:
    def build(groups: Groups, **settings: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD(groups, nesterov=nesterov, **settings)

    return build


OPTIMISERS.add(
    "gd",
    Optimiser(
        title="Gradient descent",
        build=_sgd(),
        formula="w ← w − η g, g over the whole training set",
        source="Cauchy, Comptes rendus 25, 1847",
        note="The rule of SGD with a batch of all samples: set the batch size to the size of the training set.",
        rows=("C75",),
        lr=0.1,
        fuses=True,
    ),
)
OPTIMISERS.add(
    "sgd",
    Optimiser(
        title="Stochastic gradient descent",
        build=_sgd(),
        formula="w ← w − η g, g averaged over a mini-batch",
        source="Robbins & Monro, Annals of Mathematical Statistics 22, 1951",
        note="Plain unless it is given a momentum; batches of one sample are the on-line rule.",
        rows=("C76",),
        lr=0.1,
        settings={"momentum": 0.0},
        fuses=True,
    ),
)
OPTIMISERS.add(
    "momentum",
    Optimiser(
        title="SGD with momentum",
        build=_sgd(),
        formula="v ← β v + g;  w ← w − η v",
        source="Polyak, USSR Computational Mathematics 4(5), 1964; Rumelhart, Hinton, Williams, Nature 323, 1986",
        note="Speeds up flat directions and may swing in steep ones; β is usually 0.9.",
        rows=("C77",),
        lr=0.1,
        settings={"momentum": 0.9},
        fuses=True,
    ),
)
OPTIMISERS.add(
    "nesterov",
    Optimiser(
        title="Nesterov's accelerated gradient",
        build=_sgd(nesterov=True),
        formula="v ← β v + g;  w ← w − η (g + β v)",
        source="Nesterov, Doklady 269, 1983; Sutskever et al., ICML 2013",
        note="Momentum that looks one step ahead; a good default for convnets.",
        lr=0.1,
        settings={"momentum": 0.9},
        fuses=True,
    ),
)
OPTIMISERS.add(
    "adagrad",
    Optimiser(
        title="AdaGrad",
        build=torch.optim.Adagrad,
        formula="s ← s + g²;  w ← w − η g / (√s + ε)",
        source="Duchi, Hazan, Singer, JMLR 12, 2011",
        note="The rate of a weight only ever falls: good for rare features, early tired on deep nets.",
        rows=("C81",),
        lr=0.01,
        settings={"eps": 1e-10},
        fuses=False,
    ),
)
OPTIMISERS.add(
    "adadelta",
    Optimiser(
        title="AdaDelta",
        build=torch.optim.Adadelta,
        formula="s ← ρ s + (1−ρ) g²;  Δ ← √(u + ε) / √(s + ε) · g;  u ← ρ u + (1−ρ) Δ²;  w ← w − η Δ",
        source="Zeiler, arXiv:1212.5701",
        note="Its steps have the unit of the weights, so η = 1 is meant; the first steps are tiny.",
        rows=("C80",),
        lr=1.0,
        settings={"rho": 0.9, "eps": 1e-6},
    ),
)
OPTIMISERS.add(
    "rmsprop",
    Optimiser(
        title="RMSprop",
        build=torch.optim.RMSprop,
        formula="s ← α s + (1−α) g²;  w ← w − η g / (√s + ε)",
        source="Tieleman & Hinton, Coursera lecture 6.5, 2012",
        note="AdaGrad that forgets; it may have momentum too, as the MobileNets were trained.",
        rows=("C79",),
        lr=0.001,
        settings={"alpha": 0.99, "eps": 1e-8, "momentum": 0.0},
    ),
)
OPTIMISERS.add(
    "adam",
    Optimiser(
        title="Adam",
        build=torch.optim.Adam,
        formula="m ← β₁ m + (1−β₁) g;  s ← β₂ s + (1−β₂) g²;  w ← w − η (m / (1−β₁ᵗ)) / (√(s / (1−β₂ᵗ)) + ε)",
        source="Kingma & Ba, arXiv:1412.6980",
        note="A step of its own size for every weight; forgiving about the rate.",
        rows=("C78",),
        lr=0.001,
        settings={"betas": (0.9, 0.999), "eps": 1e-8},
        fuses=True,
    ),
)
OPTIMISERS.add(
    "adamw",
    Optimiser(
        title="AdamW",
        build=torch.optim.AdamW,
        formula="Adam's step, and beside it w ← w − η λ w",
        source="Loshchilov & Hutter, arXiv:1711.05101",
        note="Weight decay that acts on every weight alike; take it where Adam would have an L2 penalty.",
        rows=("C78",),
        lr=0.001,
        settings={"betas": (0.9, 0.999), "eps": 1e-8},
        fuses=True,
    ),
)
OPTIMISERS.add(
    "muon",
    Optimiser(
        title="Muon",
        build=Muon,
        formula="v ← β v + g;  W ← W − 0.2 η √max(rows, columns) · orthogonal(g + β v);  AdamW for the rest",
        source="Jordan et al., 2024; scale: Liu et al., arXiv:2502.16982",
        note="For the filters and matrices of hidden layers; fewest steps to a given accuracy on small convnets.",
        lr=0.003,
        settings={"momentum": 0.95, "betas": (0.9, 0.999), "eps": 1e-8},
    ),
)
OPTIMISERS.add(
    "muon-sphere",
    Optimiser(
        title="Muon on the sphere",
        build=SphereMuon,
        formula="v ← β v + g;  W ← √O W / ‖W‖ − η orthogonal(g + β v);  AdamW for the rest",
        source="Jordan, airbench94_muon, 2024",
        note="Only for nets whose every filter bank is followed by a normalisation, such as quicknet.",
        lr=0.2,
        settings={"momentum": 0.6, "betas": (0.9, 0.999), "eps": 1e-8},
    ),
)
