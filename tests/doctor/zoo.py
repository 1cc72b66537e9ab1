"""The bug zoo: healthy trainings on small nets and data, and faults planted in them, each with its right names.

A `Case` is what `hubel.doctor` is called with. A fault is a function that takes a healthy case and spoils it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, Dataset

Images = torch.Tensor


# ---------------------------------------------------------------- data


@dataclass
class Data:
    """Training and validation, already normalised; `fresh` augments when it is given."""

    images: Images
    labels: torch.Tensor
    val_images: Images
    val_labels: torch.Tensor
    classes: int
    batch: int = 32
    shuffle: bool = True
    transform: Callable[[Images], Images] | None = None
    val_transform: Callable[[Images], Images] | None = None
    drop_last: bool = True
    sampler: Any = None


class Samples(Dataset):
    def __init__(self, images: Images, labels: torch.Tensor, transform: Any = None) -> None:
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> tuple[Images, torch.Tensor]:
        image = self.images[row]
        return image if self.transform is None else self.transform(image), self.labels[row]


def digits(seed: int, count: int = 600) -> Data:
    """Real digits, 1 x 8 x 8."""
    raw = load_digits()
    order = np.random.default_rng(seed).permutation(len(raw.images))
    images = torch.tensor(raw.images[order], dtype=torch.float32)[:, None] / 16
    images = (images - 0.3) / 0.38
    labels = torch.tensor(raw.target[order])
    return Data(images[:count], labels[:count], images[count : count + 300], labels[count : count + 300], 10)


def colours(seed: int, count: int = 600) -> Data:
    """Strokes that rise or fall, reddish or bluish: 3 x 8 x 8, four classes. Mirrors and channels matter."""
    random = np.random.default_rng(1000 + seed)
    total = count + 300
    labels = np.arange(total) % 4
    random.shuffle(labels)
    images = random.normal(0, 0.25, (total, 3, 8, 8))
    base = np.array([[0.7, 0.0, -0.5], [-0.5, 0.0, 0.7]])
    for row, label in enumerate(labels):
        shift = random.integers(-2, 3)
        strength = random.uniform(1.0, 1.6)
        for place in range(8):
            column = (place if label % 2 else 7 - place) + shift
            if 0 <= column < 8:
                images[row, :, place, column] += strength
        images[row] += (base[label // 2] + random.normal(0, 0.2, 3))[:, None, None]
    data = torch.tensor(images, dtype=torch.float32)
    kept = torch.tensor(labels)
    return Data(data[:count], kept[:count], data[count:], kept[count:], 4)


DATA: dict[str, Callable[[int], Data]] = {"digits": digits, "colours": colours}


# ---------------------------------------------------------------- nets


def mlp(data: Data) -> nn.Module:
    inputs = data.images[0].numel()
    return nn.Sequential(
        nn.Flatten(), nn.Linear(inputs, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 48), nn.ReLU(),
        nn.Linear(48, data.classes),
    )  # fmt: skip


def cnn(data: Data) -> nn.Module:
    channels = data.images.shape[1]
    return nn.Sequential(
        nn.Conv2d(channels, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(12, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.Flatten(), nn.Dropout(0.1),
        nn.Linear(24 * 16, data.classes),
    )  # fmt: skip


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        self.conv2, self.norm2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)

    def forward(self, x: Images) -> Images:
        return F.relu(x + self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x))))))


class Res(nn.Module):
    def __init__(self, data: Data) -> None:
        super().__init__()
        self.stem = nn.Conv2d(data.images.shape[1], 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.block = Residual(16)
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.head = nn.Linear(16 * 16, data.classes)

    def forward(self, x: Images) -> Images:
        return self.head(self.pool(self.block(F.relu(self.norm(self.stem(x))))).flatten(1))


NETS: dict[str, Callable[[Data], nn.Module]] = {"mlp": mlp, "cnn": cnn, "res": Res}


# ---------------------------------------------------------------- a healthy training


@dataclass
class Case:
    """What the doctor is called with."""

    net: str
    data: Data
    seed: int
    model: nn.Module
    loss: Any = field(default_factory=nn.CrossEntropyLoss)
    lr: float = 1e-3
    optimiser: str = "adam"
    weight_decay: float = 0.0
    settings: dict[str, Any] = field(default_factory=dict)
    optimizer: Any = None
    given: dict[str, Any] = field(default_factory=dict)
    """Passed on as it is."""
    with_step: bool = False
    with_program: bool = False

    def loaders(self) -> tuple[Any, Any]:
        data = self.data
        generator = torch.Generator().manual_seed(self.seed)
        train = DataLoader(
            Samples(data.images, data.labels, data.transform), batch_size=data.batch, shuffle=data.shuffle,
            drop_last=data.drop_last, generator=generator, sampler=data.sampler,
        )  # fmt: skip
        val = DataLoader(Samples(data.val_images, data.val_labels, data.val_transform), batch_size=64)
        return train, val

    def optimizer_now(self) -> torch.optim.Optimizer:
        if self.optimizer is not None:
            return self.optimizer
        kinds: dict[str, Any] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
        more = {"momentum": 0.9} if self.optimiser == "sgd" else {}
        learners = [p for p in self.model.parameters() if p.requires_grad]
        return kinds[self.optimiser](learners, lr=self.lr, weight_decay=self.weight_decay, **more)

    def arguments(self) -> dict[str, Any]:
        """Of `hubel.doctor`, by name."""
        train, val = self.loaders()
        found: dict[str, Any] = {
            "what": self.model,
            "loss": self.loss,
            "batches": train,
            "val": val,
            "optimizer": self.optimizer_now(),
        }
        if self.with_step or "step" in self.given:
            found["step"] = good_step(self.loss)
        if self.with_program or "evaluate" in self.given or "predict" in self.given:
            found |= {"evaluate": good_evaluate, "predict": good_predict}
        return found | self.given


def good_step(loss: Any) -> Callable[..., None]:
    def step(model: nn.Module, images: Images, labels: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
        model.train()
        optimizer.zero_grad()
        loss(model(images), labels).backward()
        optimizer.step()

    return step


@torch.no_grad()
def good_evaluate(model: nn.Module, batches: Any) -> float:
    model.eval()
    right = total = 0
    for images, labels in batches:
        right += int((model(images).argmax(1) == labels).sum())
        total += len(labels)
    return right / total


@torch.no_grad()
def good_predict(model: nn.Module, images: Images) -> Images:
    model.eval()
    return model(images)


def healthy(net: str, data: str, seed: int, **more: Any) -> Case:
    """A training as it should be."""
    torch.manual_seed(seed)
    made = DATA[data](seed)
    return Case(net=net, data=made, seed=seed, model=NETS[net](made), **more)


# ---------------------------------------------------------------- faults


@dataclass(frozen=True)
class Fault:
    """A planted fault."""

    name: str
    right: tuple[str, ...]
    """Findings that name it."""
    plant: Callable[[Case], None]
    row: str
    """Of section D ("D3"), of "next in line" ("N23"), of AUTOTRAINER ("A"), of TrainCheck ("T"), "" for others."""
    nets: tuple[str, ...] = ("mlp", "cnn", "res")
    data: tuple[str, ...] = ("digits", "colours")


FAULTS: dict[str, Fault] = {}


def fault(name: str, *right: str, row: str = "", nets: tuple[str, ...] = ("mlp", "cnn", "res"),
          data: tuple[str, ...] = ("digits", "colours")) -> Callable[[Callable[[Case], None]], Callable[[Case],
          None]]:  # fmt: skip
    def file(plant: Callable[[Case], None]) -> Callable[[Case], None]:
        FAULTS[name] = Fault(name, right, plant, row, nets, data)
        return plant

    return file


class Then(nn.Module):
    """A net and something after it."""

    def __init__(self, net: nn.Module, after: Callable[[Images], Images]) -> None:
        super().__init__()
        self.net, self.after = net, after

    def forward(self, x: Images) -> Images:
        return self.after(self.net(x))


@fault("eval forgotten in predict", "eval-forgotten", row="D1")
def _(case: Case) -> None:
    case.with_program = True
    case.given["predict"] = lambda model, images: model(images)


@fault("eval forgotten in evaluate", "eval-forgotten", row="D1")
def _(case: Case) -> None:
    case.with_program = True

    def evaluate(model: nn.Module, batches: Any) -> float:
        right = [(model(images).argmax(1) == labels).float() for images, labels in batches]
        return float(torch.cat(right).mean())

    case.given["evaluate"] = evaluate


@fault("zero_grad forgotten", "zero-grad-forgotten", row="D2")
def _(case: Case) -> None:
    def step(model: nn.Module, images: Images, labels: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
        model.train()
        case.loss(model(images), labels).backward()
        optimizer.step()

    case.given["step"] = step


@fault("softmax twice", "softmax-twice", row="D3")
def _(case: Case) -> None:
    case.model = Then(case.model, lambda z: z.softmax(1))


@fault("loss with the wrong sign", "wrong-direction", row="D4")
def _(case: Case) -> None:
    case.loss = lambda z, y: -F.cross_entropy(z, y)


@fault("graph detached", "no-gradient", row="D4")
def _(case: Case) -> None:
    case.loss = lambda z, y: F.cross_entropy(z.detach(), y)


@fault("labels of another batch", "ignores-labels", row="D4")
def _(case: Case) -> None:
    first = case.data.labels[: case.data.batch].clone()
    case.loss = lambda z, y: F.cross_entropy(z, first[: len(z)])


@fault("validation labels one off", "labels-shifted", row="D5")
def _(case: Case) -> None:
    case.data.val_labels = (case.data.val_labels + 1) % case.data.classes


@fault("validation classes reordered", "labels-shifted", row="D5")
def _(case: Case) -> None:
    order = torch.randperm(case.data.classes, generator=torch.Generator().manual_seed(case.seed + 1))
    if torch.equal(order, torch.arange(case.data.classes)):
        order = order.roll(1)
    case.data.val_labels = order[case.data.val_labels]


@fault("labels from 1", "labels-out-of-range", row="D5")
def _(case: Case) -> None:
    case.data.labels = case.data.labels + 1
    case.data.val_labels = case.data.val_labels + 1


@fault("labels shuffled", "labels-shuffled", row="D6")
def _(case: Case) -> None:
    order = torch.randperm(len(case.data.labels), generator=torch.Generator().manual_seed(case.seed))
    case.data.labels = case.data.labels[order]


@fault("validation labels shuffled", "labels-shuffled-in-validation", row="D6")
def _(case: Case) -> None:
    order = torch.randperm(len(case.data.val_labels), generator=torch.Generator().manual_seed(case.seed))
    case.data.val_labels = case.data.val_labels[order]


@fault("leak of copies", "leak", row="D7")
def _(case: Case) -> None:
    case.data.val_images = case.data.val_images.clone()
    case.data.val_images[:20] = case.data.images[:20]
    case.data.val_labels = torch.cat([case.data.labels[:20], case.data.val_labels[20:]])


@fault("leak of near copies", "near-leak", row="D8")
def _(case: Case) -> None:
    noise = torch.randn(20, *case.data.images.shape[1:], generator=torch.Generator().manual_seed(case.seed)) * 0.01
    case.data.val_images = case.data.val_images.clone()
    case.data.val_images[:20] = case.data.images[:20] * 1.02 + noise
    case.data.val_labels = torch.cat([case.data.labels[:20], case.data.val_labels[20:]])


@fault("levels 0 to 255", "input-range", row="D9")
def _(case: Case) -> None:
    for name in ("images", "val_images"):
        setattr(case.data, name, (getattr(case.data, name) * 0.25 + 0.4) * 255)


@fault("normalised twice", "input-range", row="D9")
def _(case: Case) -> None:
    for name in ("images", "val_images"):
        setattr(case.data, name, ((getattr(case.data, name) * 0.25 + 0.4) / 255 - 0.3) / 0.38)


@fault("validation not normalised", "prepared-differently", row="D9")
def _(case: Case) -> None:
    case.data.val_images = (case.data.val_images * 0.38 + 0.3) * 255


@fault("validation BGR", "channels-swapped", row="D9", data=("colours",))
def _(case: Case) -> None:
    case.data.val_images = case.data.val_images.flip(1)


@fault("dead ReLU", "dead-units", row="D10 A")
def _(case: Case) -> None:
    for module in case.model.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.Linear)) and module.bias is not None and len(module.bias) > 10:
            with torch.no_grad():
                module.bias.fill_(-30.0)
            return


@fault("ReLU dies at a high rate", "units-die", "diverges", "not-finite", row="D10 A", nets=("mlp",))
def _(case: Case) -> None:
    case.optimiser, case.lr = "sgd", 3.0


@fault("vanishing gradient", "vanishing-gradients", row="D11 A", nets=("mlp",))
def _(case: Case) -> None:
    layers: list[nn.Module] = [nn.Flatten(), nn.Linear(case.data.images[0].numel(), 32)]
    for _ in range(9):
        layers += [nn.Sigmoid(), nn.Linear(32, 32)]
    case.model = nn.Sequential(*layers, nn.Sigmoid(), nn.Linear(32, case.data.classes))


@fault("exploding gradient", "exploding-gradients", "initial-loss", row="A", nets=("mlp",))
def _(case: Case) -> None:
    layers: list[nn.Module] = [nn.Flatten(), nn.Linear(case.data.images[0].numel(), 64)]
    for _ in range(6):
        layers += [nn.ReLU(), nn.Linear(64, 64)]
    case.model = nn.Sequential(*layers, nn.ReLU(), nn.Linear(64, case.data.classes))
    for module in case.model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=1.0)


@fault("tanh saturated", "saturated", row="A", nets=("mlp",))
def _(case: Case) -> None:
    inputs = case.data.images[0].numel()
    case.model = nn.Sequential(nn.Flatten(), nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, case.data.classes))
    nn.init.normal_(case.model[1].weight, std=3.0)


@fault("layer missing from the optimiser", "not-in-optimizer", row="D12 T")
def _(case: Case) -> None:
    parameters = list(case.model.parameters())
    case.optimizer = torch.optim.Adam(parameters[:-2], lr=1e-3)


@fault("optimiser of an older net", "optimizer-of-other-tensors", row="D12 T")
def _(case: Case) -> None:
    old = NETS[case.net](case.data)
    case.optimizer = torch.optim.Adam(old.parameters(), lr=1e-3)


@fault("frozen by accident", "frozen", row="D12 T")
def _(case: Case) -> None:
    next(iter(case.model.parameters())).requires_grad_(False)


@fault("all frozen", "frozen", row="D12 T")
def _(case: Case) -> None:
    case.optimizer = torch.optim.Adam(case.model.parameters(), lr=1e-3)
    case.model.requires_grad_(False)


@fault("frozen layer learns", "frozen-but-learning", row="D12 T")
def _(case: Case) -> None:
    case.given["frozen"] = [next(iter(dict(case.model.named_parameters()))).rpartition(".")[0]]


@fault("batch norm of a frozen layer learns", "moves-though-frozen", row="D15", nets=("cnn", "res"))
def _(case: Case) -> None:
    names = ["0", "1"] if case.net == "cnn" else ["stem", "norm"]
    for name in names:
        case.model.get_submodule(name).requires_grad_(False)
    case.given["frozen"] = names


@fault("part cut off", "part-cut-off", row="D12", nets=("cnn",))
def _(case: Case) -> None:
    class Cut(nn.Module):
        def __init__(self, net: nn.Sequential) -> None:
            super().__init__()
            self.body, self.head = net[:7], net[7:]

        def forward(self, x: Images) -> Images:
            return self.head(self.body(x).detach())

    case.model = Cut(case.model)  # type: ignore[arg-type]


@fault("rate x 1000", "diverges", "not-finite", "units-die", row="D13")
def _(case: Case) -> None:
    case.optimiser, case.lr = "sgd", 0.05 * 1000


@fault("Adam's rate x 1000", "diverges", "not-finite", row="D13")
def _(case: Case) -> None:
    case.lr = 1.0


@fault("rate / 1000", "learns-hardly", row="D14 A")
def _(case: Case) -> None:
    case.optimiser, case.lr = "sgd", 1e-2 / 1000


@fault("Adam's rate / 1000", "learns-hardly", row="D14 A")
def _(case: Case) -> None:
    case.lr = 1e-7


def scheduled(case: Case, make: Callable[[torch.optim.Optimizer], Any], steps: int) -> None:
    case.optimizer = torch.optim.SGD(case.model.parameters(), lr=0.05)
    case.given |= {"scheduler": make(case.optimizer), "scheduler_steps": steps}


@fault("cosine by the batch, counted in epochs", "schedule-by-wrong-unit", row="D14")
def _(case: Case) -> None:
    scheduled(case, lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=10), 10 * 40)


@fault("one cycle by the batch, counted in epochs", "schedule-by-wrong-unit", row="D14")
def _(case: Case) -> None:
    scheduled(case, lambda o: torch.optim.lr_scheduler.OneCycleLR(o, max_lr=0.1, total_steps=20), 20 * 40)


@fault("steps by the batch, counted in epochs", "schedule-ends-early", row="D14")
def _(case: Case) -> None:
    scheduled(case, lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=5, gamma=0.1), 20 * 40)


@fault("cosine by the epoch, counted in batches", "schedule-by-wrong-unit", row="D14")
def _(case: Case) -> None:
    scheduled(case, lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=20 * 40), 20)


@fault("warm-up never ends", "schedule-by-wrong-unit", row="D14")
def _(case: Case) -> None:
    scheduled(case, lambda o: torch.optim.lr_scheduler.LinearLR(o, start_factor=0.001, total_iters=400), 20)


@fault("batch norm of one", "batch-of-one", row="D15", nets=("cnn", "res"))
def _(case: Case) -> None:
    case.data.batch = 1


@fault("last batch of one", "batch-of-one", row="D15", nets=("cnn", "res"))
def _(case: Case) -> None:
    case.data.drop_last = False
    case.data.images, case.data.labels = case.data.images[: 32 * 10 + 1], case.data.labels[: 32 * 10 + 1]


@fault("batch norm's momentum the other way round", "batch-norm-lags", row="D15", nets=("cnn", "res"))
def _(case: Case) -> None:
    case.lr = 3e-3
    for module in case.model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.001
    case.data.images, case.data.val_images = case.data.images * 4 + 2, case.data.val_images * 4 + 2


@fault("one class has nearly all", "imbalance", row="D16")
def _(case: Case) -> None:
    rare = (case.data.labels != 0).nonzero().flatten()
    keep = torch.cat([(case.data.labels == 0).nonzero().flatten(), rare[:: 2 * case.data.classes + 12]])
    keep = keep[torch.randperm(len(keep), generator=torch.Generator().manual_seed(0))]
    case.data.images, case.data.labels = case.data.images[keep], case.data.labels[keep]
    case.data.batch = 16


@fault("all labels the same", "one-class", row="D16")
def _(case: Case) -> None:
    case.data.labels = torch.zeros_like(case.data.labels)


@fault("strokes mirrored", "augmentation-destroys-labels", row="D17", data=("colours",))
def _(case: Case) -> None:
    case.given["augment"] = lambda images: torch.cat([images[::2].flip(3), images[1::2]])[_weave(len(images))]


def _weave(count: int) -> torch.Tensor:
    """Places that put the even rows and then the odd ones back into their order."""
    order = torch.cat([torch.arange(0, count, 2), torch.arange(1, count, 2)])
    return order.argsort()


@fault("digits turned upside down", "augmentation-destroys-labels", row="D17", data=("digits",))
def _(case: Case) -> None:
    case.given["augment"] = lambda images: images.flip(2).flip(3)


@fault("sorted by class", "not-shuffled", row="D18")
def _(case: Case) -> None:
    order = case.data.labels.argsort()
    case.data.images, case.data.labels, case.data.shuffle = case.data.images[order], case.data.labels[order], False


@fault("never mixed", "same-order", row="D18")
def _(case: Case) -> None:
    case.data.shuffle = False


@fault("samples repeat", "repeated-samples", row="D18")
def _(case: Case) -> None:
    case.data.sampler = torch.utils.data.RandomSampler(
        case.data.labels, replacement=True, generator=torch.Generator().manual_seed(case.seed)
    )
    case.data.shuffle = False


@fault("validation augmented", "validation-changes", row="D19")
def _(case: Case) -> None:
    case.data.val_transform = lambda image: image + 0.2 * torch.randn_like(image)


@fault("the same augmentation in every epoch", "same-augmentation", row="D19")
def _(case: Case) -> None:
    class Seeded:
        def __init__(self) -> None:
            self.count = 0

        def __call__(self, image: Images) -> Images:
            # What a worker does that is seeded anew for each epoch: the n-th sample gets the n-th number.
            key = int(image.abs().sum() * 1e4) % (1 << 30)
            self.count += 1
            odd = self.count in case_probe
            return image + 0.1 * torch.randn(image.shape, generator=torch.Generator().manual_seed(key + odd))

    case_probe = _Probe(len(case.data.images) // 32 * 32)
    case.data.transform = Seeded()


class _Probe:
    """Numbers of the two single looks at a sample that come after whole epochs."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def __contains__(self, number: int) -> bool:
        return number % 2 == 0 and self.epoch < number <= self.epoch + 40


@fault("head of too large weights", "initial-loss", row="D20")
def _(case: Case) -> None:
    last = [m for m in case.model.modules() if isinstance(m, nn.Linear)][-1]
    with torch.no_grad():
        nn.init.normal_(last.weight, std=5.0)


@fault("1000 outputs for a few classes", "unused-outputs", row="D20")
def _(case: Case) -> None:
    case.data.classes, kinds = 1000, case.data.classes
    case.model = NETS[case.net](case.data)
    case.data.classes = kinds


@fault("too few outputs", "labels-out-of-range", row="D20")
def _(case: Case) -> None:
    case.data.classes -= 1
    case.model = NETS[case.net](case.data)
    case.data.classes += 1


@fault("head of the wrong size", "does-not-run", row="D20")
def _(case: Case) -> None:
    last = [n for n, m in case.model.named_modules() if isinstance(m, nn.Linear)][-1]
    parent, _, name = last.rpartition(".")
    setattr(case.model.get_submodule(parent), name, nn.Linear(77, case.data.classes))


@fault("step before backward", "step-before-backward", row="T")
def _(case: Case) -> None:
    def step(model: nn.Module, images: Images, labels: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
        model.train()
        optimizer.step()
        optimizer.zero_grad()
        case.loss(model(images), labels).backward()

    case.given["step"] = step


@fault("zero_grad before step", "gradients-erased", row="T")
def _(case: Case) -> None:
    def step(model: nn.Module, images: Images, labels: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
        model.train()
        case.loss(model(images), labels).backward()
        optimizer.zero_grad()
        optimizer.step()

    case.given["step"] = step


@fault("step() forgotten", "never-updates", row="T")
def _(case: Case) -> None:
    def step(model: nn.Module, images: Images, labels: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
        model.train()
        optimizer.zero_grad()
        case.loss(model(images), labels).backward()

    case.given["step"] = step


@fault("step moves another net", "step-on-other-net", row="T")
def _(case: Case) -> None:
    own = case.model
    mine = torch.optim.Adam(own.parameters(), lr=1e-3)

    def step(model: nn.Module, images: Images, labels: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
        own.train()
        mine.zero_grad()
        case.loss(own(images), labels).backward()
        mine.step()

    case.given["step"] = step


@fault("train() forgotten", "trains-in-eval-mode", row="D1")
def _(case: Case) -> None:
    def step(model: nn.Module, images: Images, labels: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
        model.eval()
        optimizer.zero_grad()
        case.loss(model(images), labels).backward()
        optimizer.step()

    case.given["step"] = step


@fault("train() forgotten after evaluate", "left-in-eval", row="D1")
def _(case: Case) -> None:
    case.with_program = True

    def step(model: nn.Module, images: Images, labels: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        case.loss(model(images), labels).backward()
        optimizer.step()

    case.given["step"] = step


@fault("parts of a batch not divided", "accumulation-not-divided", row="N23", nets=("mlp",))
def _(case: Case) -> None:
    case.model = nn.Sequential(*[m for m in case.model if not isinstance(m, nn.Dropout)])  # type: ignore[union-attr]

    def step(model: nn.Module, images: Images, labels: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
        model.train()
        optimizer.zero_grad()
        for x, y in zip(images.chunk(4), labels.chunk(4), strict=True):
            case.loss(model(x), y).backward()
        optimizer.step()

    case.given["step"] = step


@fault("ReLU after the last layer", "relu-at-the-end")
def _(case: Case) -> None:
    case.model = Then(case.model, F.relu)


@fault("sigmoid after the last layer", "bounded-logits")
def _(case: Case) -> None:
    case.model = Then(case.model, torch.sigmoid)


@fault("tanh after the last layer", "bounded-logits")
def _(case: Case) -> None:
    case.model = Then(case.model, torch.tanh)


@fault("NLLLoss of logits", "wrong-loss")
def _(case: Case) -> None:
    case.loss = nn.NLLLoss()


@fault("NLLLoss of probabilities", "wrong-loss")
def _(case: Case) -> None:
    case.loss, case.model = nn.NLLLoss(), Then(case.model, lambda z: z.softmax(1))


@fault("numbers of classes as amounts", "classes-as-numbers")
def _(case: Case) -> None:
    case.data.classes, kinds = 1, case.data.classes
    case.model = NETS[case.net](case.data)
    case.data.classes = kinds
    case.loss = lambda z, y: F.mse_loss(z.squeeze(1), y.float())


@fault("answers spread over labels", "wrong-shape", nets=("mlp",))
def _(case: Case) -> None:
    case.data.classes = 1
    case.model = NETS[case.net](case.data)
    case.data.labels, case.data.val_labels = case.data.labels + 0.37, case.data.val_labels + 0.37
    case.loss = nn.MSELoss()


@fault("pictures lost in a cast", "constant-inputs", row="N27")
def _(case: Case) -> None:
    for name in ("images", "val_images"):
        levels = torch.sigmoid(getattr(case.data, name)) * 0.98
        setattr(case.data, name, levels.int().float())


@fault("NaN among the images", "not-finite-inputs", row="N27")
def _(case: Case) -> None:
    case.data.images = case.data.images.clone()
    case.data.images[::50, :, 0, 0] = float("nan")


@fault("weight decay of 10", "decay-kills", "decay-outweighs")
def _(case: Case) -> None:
    case.optimiser, case.lr, case.weight_decay = "sgd", 0.05, 10.0


@fault("AdamW's weight decay of 10", "decay-kills", "decay-outweighs")
def _(case: Case) -> None:
    case.optimiser, case.lr, case.weight_decay = "adamw", 1e-3, 30.0


@fault("a fifth of the labels wrong", "label-noise", row="N31", data=("digits",))
def _(case: Case) -> None:
    random = torch.Generator().manual_seed(case.seed)
    labels = case.data.labels.clone()
    rows = torch.randperm(len(labels), generator=random)[: len(labels) // 5]
    labels[rows] = (
        labels[rows] + torch.randint(1, case.data.classes, (len(rows),), generator=random)
    ) % case.data.classes
    case.data.labels = labels


@fault("copies with other labels", "conflicting-labels", row="N25")
def _(case: Case) -> None:
    images, labels = case.data.images.clone(), case.data.labels.clone()
    images[20:40], labels[20:40] = images[:20], (labels[:20] + 1) % case.data.classes
    case.data.images, case.data.labels = images, labels


@fault("a mark in the corner", "shortcut", row="N26")
def _(case: Case) -> None:
    case.data.images = case.data.images.clone()
    case.data.images[:, :, 0, 0] = case.data.labels[:, None].float() / case.data.classes * 2


@fault("loss summed", "summed-loss")
def _(case: Case) -> None:
    case.loss = nn.CrossEntropyLoss(reduction="sum")
    case.optimiser, case.lr = "adam", 1e-3


@fault("accuracy averaged by batch", "metric-averaged-by-batch", row="N21")
def _(case: Case) -> None:
    case.with_program = True
    case.data.val_images, case.data.val_labels = case.data.val_images[:197], case.data.val_labels[:197]

    @torch.no_grad()
    def evaluate(model: nn.Module, batches: Any) -> float:
        model.eval()
        return float(np.mean([float((model(x).argmax(1) == y).float().mean()) for x, y in batches]))

    case.given["evaluate"] = evaluate


@fault("drop-out always on", "random-at-evaluation", row="D1")
def _(case: Case) -> None:
    case.model = Then(case.model, lambda z: F.dropout(z, 0.3))


@fault("batch norm without running statistics", "samples-mix", row="D1", nets=("cnn", "res"))
def _(case: Case) -> None:
    for module in case.model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.track_running_stats = False
            module.running_mean = module.running_var = None


@fault("all weights the same", "twin-units", nets=("mlp", "cnn"))
def _(case: Case) -> None:
    for p in case.model.parameters():
        if p.ndim >= 2:
            nn.init.constant_(p, 0.01)


@fault("all weights zero", "twin-units")
def _(case: Case) -> None:
    for p in case.model.parameters():
        if p.ndim >= 2:
            nn.init.zeros_(p)


@fault("a class only in validation", "missing-class", row="D5")
def _(case: Case) -> None:
    keep = case.data.labels != 1
    case.data.images, case.data.labels = case.data.images[keep], case.data.labels[keep]


def averaged(case: Case, *, statistics: bool) -> None:
    """Six epochs with a running average of the weights, with or without that of batch norm's statistics."""
    average = copy.deepcopy(case.model)
    train, _ = case.loaders()
    case.optimizer = torch.optim.Adam(case.model.parameters(), lr=3e-3)
    for _epoch in range(6):
        for images, labels in train:
            good_step(case.loss)(case.model, images, labels, case.optimizer)
            with torch.no_grad():
                for own, new in zip(average.parameters(), case.model.parameters(), strict=True):
                    own.lerp_(new, 0.1)
                for kept, now in zip(average.buffers(), case.model.buffers(), strict=True):
                    if statistics:
                        kept.copy_(now)
    case.given["average"] = average


@fault("averaged weights with the first statistics", "stale-average", row="N29", nets=("cnn", "res"))
def _(case: Case) -> None:
    case.data.images, case.data.val_images = case.data.images * 2 + 1, case.data.val_images * 2 + 1
    averaged(case, statistics=False)


@fault("the best epoch by the test", "chosen-on-test", row="N22")
def _(case: Case) -> None:
    case.given["test"] = [(case.data.val_images, case.data.val_labels)]


@fault("the test among training", "test-leak", row="N22")
def _(case: Case) -> None:
    case.given["test"] = [(case.data.images[:40], case.data.labels[:40])]


class Again(DataLoader):
    """A loader whose every reading begins with the same generator."""

    def __iter__(self) -> Any:
        self.generator.manual_seed(3)
        return super().__iter__()


@fault("resumed with the first epoch's order", "resume-repeats", row="N30")
def _(case: Case) -> None:
    samples = Samples(case.data.images, case.data.labels)
    first = DataLoader(samples, batch_size=32, shuffle=True, generator=torch.Generator().manual_seed(3))
    case.given |= {"batches": first, "resumed": Again(samples, 32, shuffle=True, generator=torch.Generator())}


@fault("a plain deep net on small pictures", "maps-fade", row="N", nets=("cnn",))
def _(case: Case) -> None:
    layers: list[nn.Module] = []
    maps = case.data.images.shape[1]
    for width, count in ((16, 2), (16, 2), (24, 3), (24, 6)):
        for _place in range(count):
            layers += [nn.Conv2d(maps, width, 3, padding=1), nn.ReLU()]
            nn.init.kaiming_normal_(layers[-2].weight, nonlinearity="relu")
            maps = width
        layers.append(nn.MaxPool2d(2, ceil_mode=True))
    case.model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(maps, case.data.classes))


# ---------------------------------------------------------------- healthy trainings


@fault("hues turned where colour is the class", "augmentation-destroys-labels", row="D17", data=("colours",))
def _(case: Case) -> None:
    case.given["augment"] = lambda images: torch.cat([images[::2].flip(1), images[1::2]])[_weave(len(images))]


@dataclass(frozen=True)
class Fine:
    """A healthy training."""

    name: str
    make: Callable[[int], Case]


def _fine() -> Iterator[Fine]:
    for data in DATA:
        for net in NETS:
            yield Fine(f"{net} on {data}", lambda s, n=net, d=data: healthy(n, d, s))
            yield Fine(f"{net} on {data}, its own step and program",
                       lambda s, n=net, d=data: healthy(n, d, s, with_step=True, with_program=True))  # fmt: skip
            yield Fine(
                f"{net} on {data}, sgd",
                lambda s, n=net, d=data: healthy(n, d, s, optimiser="sgd", lr=0.05, weight_decay=5e-4),
            )
            yield Fine(
                f"{net} on {data}, adamw",
                lambda s, n=net, d=data: healthy(n, d, s, optimiser="adamw", weight_decay=0.05),
            )
            yield Fine(
                f"{net} on {data}, a slow starter", lambda s, n=net, d=data: healthy(n, d, s, optimiser="sgd", lr=1e-3)
            )
        yield Fine(f"cosine on {data}", lambda s, d=data: _with_schedule(d, s, "cosine"))
        yield Fine(f"one cycle on {data}", lambda s, d=data: _with_schedule(d, s, "cycle"))
        yield Fine(f"steps on {data}", lambda s, d=data: _with_schedule(d, s, "steps"))
        yield Fine(f"few samples of {data}", lambda s, d=data: _few(d, s))
        yield Fine(f"imbalance on {data}", lambda s, d=data: _uneven(d, s))
        yield Fine(f"regression on {data}", lambda s, d=data: _numbers(d, s))
        yield Fine(
            f"label smoothing on {data}",
            lambda s, d=data: healthy("cnn", d, s, loss=nn.CrossEntropyLoss(label_smoothing=0.1)),
        )
        yield Fine(f"frozen on purpose on {data}", lambda s, d=data: _frozen(d, s))
        yield Fine(f"augmented on {data}", lambda s, d=data: _augmented(d, s))
        yield Fine(f"log-softmax and NLL on {data}", lambda s, d=data: _nll(d, s))
        yield Fine(f"tanh on {data}", lambda s, d=data: _tanh(d, s))
        yield Fine(f"accumulated on {data}", lambda s, d=data: _accumulated(d, s))
        yield Fine(f"class weights on {data}", lambda s, d=data: _weighted(d, s))
        yield Fine(f"averaged weights on {data}", lambda s, d=data: _averaged(d, s))
        yield Fine(f"a test and a stop on {data}", lambda s, d=data: _stopped(d, s))
    yield Fine("shades varied on colours", _shaded)
    yield Fine("points", _points)
    yield Fine("a linear net on points", lambda s: _points(s, linear=True))


def _averaged(data: str, seed: int) -> Case:
    case = healthy("res", data, seed)
    averaged(case, statistics=True)
    return case


def _stopped(data: str, seed: int) -> Case:
    case = healthy("cnn", data, seed)
    half = len(case.data.val_images) // 2
    case.given["test"] = [(case.data.val_images[half:], case.data.val_labels[half:])]
    case.data.val_images, case.data.val_labels = case.data.val_images[:half], case.data.val_labels[:half]
    samples = Samples(case.data.images, case.data.labels)
    case.given["resumed"] = DataLoader(samples, 32, shuffle=True, generator=torch.Generator().manual_seed(seed + 99))
    return case


def _with_schedule(data: str, seed: int, kind: str) -> Case:
    case = healthy("cnn", data, seed)
    case.optimizer = torch.optim.SGD(case.model.parameters(), lr=0.05, momentum=0.9)
    steps = 400
    made: Any = {
        "cosine": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=steps),
        "cycle": lambda o: torch.optim.lr_scheduler.OneCycleLR(o, max_lr=0.1, total_steps=steps),
        "steps": lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=150, gamma=0.1),
    }[kind](case.optimizer)
    case.given |= {"scheduler": made, "scheduler_steps": steps}
    return case


def _few(data: str, seed: int) -> Case:
    case = healthy("cnn", data, seed)
    case.data.images, case.data.labels = case.data.images[:80], case.data.labels[:80]
    case.data.val_images, case.data.val_labels = case.data.val_images[:30], case.data.val_labels[:30]
    case.data.batch = 16
    return case


def _uneven(data: str, seed: int) -> Case:
    case = healthy("res", data, seed)
    rare = (case.data.labels == 1).nonzero().flatten()
    keep = torch.cat([(case.data.labels != 1).nonzero().flatten(), rare[::6]])
    keep = keep[torch.randperm(len(keep), generator=torch.Generator().manual_seed(seed))]
    case.data.images, case.data.labels = case.data.images[keep], case.data.labels[keep]
    return case


def _numbers(data: str, seed: int) -> Case:
    made = DATA[data](seed)
    made.labels = made.images.mean((1, 2, 3)) * 2 + made.images[:, 0, 2:5, 2:5].mean((1, 2))
    made.val_labels = made.val_images.mean((1, 2, 3)) * 2 + made.val_images[:, 0, 2:5, 2:5].mean((1, 2))
    made.classes = 1
    torch.manual_seed(seed)
    return Case(net="mlp", data=made, seed=seed, model=mlp(made), loss=lambda z, y: F.mse_loss(z.squeeze(1), y))


def _frozen(data: str, seed: int) -> Case:
    case = healthy("cnn", data, seed)
    case.model[0].requires_grad_(False)  # type: ignore[index]
    case.given["frozen"] = ["0"]
    return case


def _shaded(seed: int) -> Case:
    case = healthy("cnn", "colours", seed)

    def shade(images: torch.Tensor) -> torch.Tensor:
        draw = torch.Generator().manual_seed(seed)
        return images * (1 + 0.2 * torch.randn(len(images), 1, 1, 1, generator=draw))

    case.given["augment"] = shade
    return case


def _augmented(data: str, seed: int) -> Case:
    case = healthy("cnn", data, seed)
    case.data.transform = lambda image: image.roll(int(torch.randint(-1, 2, ())), 2) + 0.05 * torch.randn_like(image)
    case.given["augment"] = lambda images: images.roll(1, 2) + 0.05
    return case


def _nll(data: str, seed: int) -> Case:
    case = healthy("mlp", data, seed)
    case.model, case.loss = Then(case.model, lambda z: z.log_softmax(1)), nn.NLLLoss()
    return case


def _tanh(data: str, seed: int) -> Case:
    made = DATA[data](seed)
    torch.manual_seed(seed)
    inputs = made.images[0].numel()
    net = nn.Sequential(
        nn.Flatten(), nn.Linear(inputs, 48), nn.Tanh(), nn.Linear(48, 48), nn.Tanh(), nn.Linear(48, made.classes)
    )
    return Case(net="mlp", data=made, seed=seed, model=net)


def _accumulated(data: str, seed: int) -> Case:
    case = healthy("mlp", data, seed)

    def step(model: nn.Module, images: Images, labels: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
        model.train()
        for x, y in zip(images.chunk(4), labels.chunk(4), strict=True):
            (F.cross_entropy(model(x), y) / 4).backward()
        optimizer.step()
        optimizer.zero_grad()

    case.given["step"] = step
    return case


def _weighted(data: str, seed: int) -> Case:
    case = healthy("res", data, seed)
    case.loss = nn.CrossEntropyLoss(weight=torch.linspace(0.5, 2.0, case.data.classes))
    return case


def _points(seed: int, *, linear: bool = False) -> Case:
    random = np.random.default_rng(seed)
    angle, labels = random.uniform(0, np.pi, 700), np.arange(700) % 2
    sign = 1 - 2 * labels
    points = np.stack([sign * np.cos(angle) + labels, sign * np.sin(angle) + labels / 2], 1) + 0.1 * random.normal(
        size=(700, 2)
    )
    points = torch.tensor((points - points.mean(0)) / points.std(0), dtype=torch.float32)
    classes = torch.tensor(labels)
    made = Data(points[:500], classes[:500], points[500:], classes[500:], 2)
    torch.manual_seed(seed)
    net: nn.Module = nn.Linear(2, 2) if linear else nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2))
    return Case(net="points", data=made, seed=seed, model=net, lr=1e-2)


HEALTHY: dict[str, Fine] = {each.name: each for each in _fine()}


def planted(fault: Fault, net: str, data: str, seed: int) -> Case:
    """A healthy training with one fault."""
    case = healthy(net, data, seed)
    torch.manual_seed(seed)
    fault.plant(case)
    return case
