"""The recipe: everything a run depends on, in one typed, frozen, validated value.

Every setting has ONE name, the same as command-line flag (`--label-smoothing`), YAML key (`label_smoothing`), Python
argument and environment variable (`HUBEL_LABEL_SMOOTHING`). Settings stand in sections for reading; because names are
unique, the section may be left out or written as an address: `lr: 0.05` and `optimizer: {lr: 0.05}` say the same,
as do `--lr 0.05` and `--set optimizer.lr=0.05`. Layers override each other: default < file < environment < flag.

A setting that is None is chosen by `hubel.assembly.choices` from the data; the resolved recipe is saved with the run.

>>> recipe = compose({"data": "digits"}, {"optimizer": {"lr": 0.1}}, {"epochs": 5})
>>> recipe.optimizer.lr, recipe.train.epochs
(0.1, 5)
>>> compose({"data": "digits", "learning_rat": 0.1})
Traceback (most recent call last):
    ...
hubel.errors.UsageError: a recipe has no setting 'learning_rat'
  did you mean 'lr'? all of them: hubel train --help-all
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from hubel.errors import UsageError, near
from hubel.store import read_yaml, shown
from hubel.store.documents import told_of_yaml, where_in_yaml

# ---------------------------------------------------------------- kinds of values

GRID_INTENSITY = 473.0
"""Grams of CO2 for a kilowatt-hour: the world's electricity in 2024 (Ember, Global Electricity Review 2025)."""
LARGEST = (1 << 53) - 1
"""The largest whole number that every reader of JSON and YAML gives back as it was written."""
RECIPE_LIMIT = 1 << 18
"""Bytes of a recipe file: the longest layer list fits, and reading them takes a second or two."""
MOST_VALUES = 20_000
"""Single values in all options of a recipe."""
LONGEST_CHAIN = 32
"""Augmentations one after the other."""
UNFREEZE = ("head", "last", "half", "all", "gradual")
"""What of a transferred net learns: only its new head; the last stage or half of the stages too; all; or a stage more
each epoch, from the head down."""


def seconds(text: object) -> object:
    """A duration in seconds from "90", "90s", "10m", "1h30m"; other values pass through to the type check.

    >>> seconds("1h30m"), seconds("10m"), seconds(45)
    (5400.0, 600.0, 45)
    """
    if not isinstance(text, str):
        return text
    if re.fullmatch(r"\d+(\.\d+)?", text.strip()):
        return float(text)
    found = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?", text.strip())
    if not found or not any(found.groups()):
        raise ValueError("must be a duration such as 90s, 10m or 1h30m")
    hours, minutes, rest = (float(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + rest


def _words(value: object) -> object:
    """A comma-separated string as a tuple of words."""
    if isinstance(value, str):
        return tuple(word.strip() for word in value.split(",") if word.strip())
    return tuple(value) if isinstance(value, list) else value


def _fraction(value: float) -> float:
    if not 0 <= value < 1:
        raise ValueError("must be at least 0 and below 1")
    return value


def _window(value: tuple[float, ...]) -> tuple[float, float]:
    if len(value) != 2 or not 0 <= value[0] < value[1] <= 1:
        raise ValueError("must be two shares of the run, from and until, such as 0,0.3 (early) or 0.5,1 (late)")
    return value[0], value[1]


def _betas(value: tuple[float, ...]) -> tuple[float, float]:
    if len(value) != 2 or not all(0 <= beta < 1 for beta in value):
        raise ValueError("must be two numbers of at least 0 and below 1, such as 0.9,0.999")
    return value[0], value[1]


def _size(value: object) -> object:
    """96x128 as (96, 128)."""
    if isinstance(value, str) and re.fullmatch(r"\d+x\d+", value.strip()):
        return tuple(int(side) for side in value.split("x"))
    if isinstance(value, (list, tuple)) and len(value) == 2 and value[0] == value[1]:
        return value[0]
    return value


def _sides(value: int | tuple[int, int]) -> int | tuple[int, int]:
    sides = (value,) if isinstance(value, int) else value
    if not all(1 <= side <= 4096 for side in sides):
        raise ValueError("must be between 1 and 4096 pixels")
    return value


def _stages(value: object) -> object:
    """How much of a net learns again: a word, or a number of stages."""
    if isinstance(value, str) and value.strip().isdigit():
        return int(value)
    if value in UNFREEZE or (isinstance(value, int) and value >= 0):
        return value
    raise ValueError(f"must be {', '.join(UNFREEZE)} or a number of stages")


def _place(value: object) -> object:
    """A path of any kind, or a run, as text."""
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _columns(value: object) -> object:
    """Names of columns as text, whatever YAML makes of them; nothing said is {}."""
    if isinstance(value, Mapping):
        return {str(role): "" if name is None else str(name) for role, name in value.items()}
    return {} if value is None else value


def _whole(value: object) -> object:
    """A flag brings "3" as text, and a Literal takes numbers only."""
    return int(value) if isinstance(value, str) and value.isdigit() else value


def _probes(value: tuple[str, ...]) -> tuple[str, ...]:
    named = tuple(dict.fromkeys(SPELLINGS.get(word.replace("-", "_"), word.replace("-", "_")) for word in value))
    if not named or not set(named) <= {"lr", "batch_size"}:
        raise ValueError("must be lr, batch_size or lr,batch_size")
    return named


def _chain(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(value) > LONGEST_CHAIN:
        raise ValueError(f"must name at most {LONGEST_CHAIN} augmentations")
    return value


def _means(value: tuple[float, ...]) -> tuple[float, ...]:
    if len(value) not in (1, 3) or not all(0 <= mean <= 1 for mean in value):
        raise ValueError("must be one number or three from 0 to 1 (of 255 levels: divide by 255)")
    return value


def _deviations(value: tuple[float, ...]) -> tuple[float, ...]:
    if len(value) not in (1, 3) or not all(1e-6 <= deviation <= 10 for deviation in value):
        raise ValueError("must be one number or three from 1e-6 to 10 (of 255 levels: divide by 255)")
    return value


def _fold(value: object) -> object:
    """One fold of several, as "2/5"; raises ValueError for what is none."""
    found = re.fullmatch(r"\s*(\d{1,4})\s*/\s*(\d{1,4})\s*", value) if isinstance(value, str) else None
    if found is None or not 1 <= int(found[1]) <= int(found[2]) or int(found[2]) < 2:
        raise ValueError("must be one of at least two folds, such as 2/5 for the second of five")
    return f"{int(found[1])}/{int(found[2])}"


NOTHING = "none"
"""Of `from`: a net that has learnt nothing yet, whatever the data are."""
Channels = Annotated[Literal[1, 3], BeforeValidator(_whole)]
Size = Annotated[int | tuple[int, int], BeforeValidator(_size), AfterValidator(_sides)]
Duration = Annotated[float, BeforeValidator(seconds), Field(gt=0, le=1e9)]
Unfreeze = Annotated[int | str, BeforeValidator(_stages)]
Place = Annotated[str, BeforeValidator(_place)]
Numbers = Annotated[tuple[float, ...], BeforeValidator(_words)]
Columns = Annotated[dict[str, str], BeforeValidator(_columns)]
Fraction = Annotated[float, AfterValidator(_fraction)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Fold = Annotated[str, BeforeValidator(_fold)]
Chain = Annotated[Words, AfterValidator(_chain)]
Probes = Annotated[tuple[str, ...], BeforeValidator(_words), AfterValidator(_probes)]


class Section(BaseModel):
    """A group of settings: unknown keys are errors, and nothing changes after it is built."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), validate_default=False, allow_inf_nan=False
    )


# ---------------------------------------------------------------- the settings


class DataSection(Section):
    """Where the pictures come from and how they are brought to one size."""

    data: str = Field(
        "", description="source: a name (digits, mnist, cifar10, …), a folder, a CSV or JSONL file, tar shards"
    )
    data_dir: str | None = Field(None, description="where named data sets lie, else the environment's HUBEL_DATA")
    data_root: Place | None = Field(
        None, description="where data lies that moved: the data itself, or the folder it lies in"
    )
    columns: Columns = Field(
        default_factory=dict,
        description="a column of a table by what it is: file=scan, label=grade, target, mask, split, group, series, "
        "time; ignore=a,b",
    )
    images: Place | None = Field(None, description="folder that the files of a table are relative to, else its own")
    follow_links: bool = Field(False, description="follow links in folders and tables")
    img_size: Size | None = Field(None, description="what the net sees, in pixels: 128, or 96x128 (height x width)")
    in_chans: Channels | None = Field(None, description="channels: 1 grey, 3 colour; from the data if not given")
    fit: Literal["pad", "crop", "squash"] | None = Field(
        None, description="how a picture is brought to that size: pad, crop or squash"
    )
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] | None = Field(
        None, description="how pictures are resized"
    )
    mean: Annotated[Numbers, AfterValidator(_means)] | None = Field(
        None, description="taken off each channel, in 0..1: 0.485,0.456,0.406; measured if not given"
    )
    std: Annotated[Numbers, AfterValidator(_deviations)] | None = Field(
        None, description="each channel is divided by it, in 0..1; measured if not given"
    )
    val_fraction: Fraction | None = Field(
        None, description="part of the training data kept for validation; a tenth if not given, less of very many"
    )
    test_fraction: Fraction = Field(0.1, description="part kept for the test, where the data has no test split")
    split_seed: int = Field(0, ge=0, description="which random split; the same number gives the same split")
    fold: Fold | None = Field(
        None, description="test on one of several folds and train on the others: 2/5 is the second of five (--folds)"
    )
    train_fraction: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="train on this part of the training pictures, each class in its share; smaller lie in larger"
    )
    limit: int | None = Field(None, ge=1, description="train on at most so many samples, for a quick look")
    cache: Literal["disk", "memory", "none"] | None = Field(
        None,
        description="where decoded pictures are kept: disk, memory, or none (each epoch decodes them); by the room",
    )
    workers: int | None = Field(
        None, ge=0, le=512, description="processes that scan and decode; from the cores if not given"
    )


class ModelSection(Section):
    """The net."""

    model: str | None = Field(None, description="architecture by name (hubel models), or a layer list in a .yaml file")
    model_options: dict[str, Any] = Field(default_factory=dict, description="options of the architecture, key=value")
    dropout: float | None = Field(None, ge=0, lt=1, description="drop-out rate, for nets that have such an option")
    dropout_window: Annotated[Numbers, AfterValidator(_window)] | None = Field(
        None, description="drop only in this part of the run: 0,0.3 early, 0.5,1 late; throughout if not given"
    )
    initialise: str | None = Field(
        None, description="initial weights of dense and convolution layers: he-normal, … (hubel components)"
    )
    initialise_options: dict[str, Any] = Field(
        default_factory=dict, description="options of the initialisation, key=value: std=0.02"
    )
    zero_residuals: bool = Field(False, description="residual branches end in a scale of 0: blocks start as identities")
    pretrained: bool = Field(False, description="start from the published ImageNet weights")


class TransferSection(Section):
    """A trained net as the start: which, how much of it learns again, and its new head."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    # "from" is a word of Python's own: keyword arguments say from_, everything else says from.
    from_: Place | None = Field(
        None,
        alias="from",
        description="start from a run, its weights, or an architecture with published weights (hubel models "
        "--pretrained); none: from nothing; chosen by the data if neither this nor a model is given",
    )
    compare_start: bool = Field(
        False, description="train from nothing, too, before, and report what the start was worth"
    )
    from_sha256: str | None = Field(
        None, pattern=r"^[0-9a-f]{64}$", description="digest that those weights must have; written down by every run"
    )
    unfreeze: Unfreeze | None = Field(
        None,
        description="what learns: head, last (stage too), half, all, gradual (a stage more each epoch), "
        "or so many stages; by size and likeness of the data if not given",
    )
    head: Literal["linear", "mlp", "stages"] | None = Field(
        None,
        description="the new head: linear, mlp (a hidden layer), stages (linear, and sees every stage); "
        "linear or stages by the data if not given",
    )
    penalty: float | None = Field(
        None, ge=0, le=1e9, description="L2 penalty of the new head; found on the validation split if not given"
    )
    feature_views: int | None = Field(
        None, ge=1, le=64, description="views a frozen net is run on: the picture, its mirror image, then augmented"
    )


class DistillationSection(Section):
    """A trained net as the teacher: the new one learns from its answers beside the labels."""

    teacher: Place | None = Field(
        None, description="learn from the answers of this run, too: a large net teaches a small one the same classes"
    )
    teacher_sha256: str | None = Field(
        None, pattern=r"^[0-9a-f]{64}$", description="digest that its weights must have; written down by every run"
    )
    temperature: float | None = Field(
        None, ge=0.1, le=100, description="how much its answers are softened: softmax(z / T); 1 is as they are"
    )
    teacher_weight: float | None = Field(
        None, gt=0, le=1, description="share of the teacher's answers in the loss; the labels have the rest"
    )


class PretextSection(Section):
    """What a net learns from pictures without labels (`hubel pretrain`)."""

    method: Literal["rotation", "byol"] | None = Field(
        None, description="learn without labels: which way up a picture is, or that its views are of one picture"
    )
    probe_data: Place | None = Field(
        None, description="labelled pictures on which the features are measured at the end; never learnt from"
    )
    target_decay: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="byol: how slowly the predicted copy follows, by the run's length if not given; 0 is SimSiam",
    )


class OptimizerSection(Section):
    """How weights move."""

    optimizer: str | None = Field(None, description="sgd, nesterov, adam, adamw, muon, … (hubel components)")
    lr: float | None = Field(None, gt=0, le=1e6, description="peak learning rate")
    momentum: float | None = Field(None, ge=0, lt=1, description="for optimisers that have it; else their usual one")
    betas: Annotated[Numbers, AfterValidator(_betas)] | None = Field(
        None, description="decay rates of the two moments, for adam and its kin: 0.9,0.999; else their usual ones"
    )
    weight_decay: float | None = Field(None, ge=0, le=1e6, description="weight decay, not applied to biases and norms")
    layer_decay: float | None = Field(
        None, gt=0, le=1, description="factor of the rate for each stage further from the head; 1 is off"
    )
    clip_grad: float | None = Field(None, ge=1e-12, le=1e12, description="largest norm of the whole gradient")
    ema: float | None = Field(None, ge=0, lt=1, description="decay of an average of the weights, e.g. 0.99; 0 is off")


class ScheduleSection(Section):
    """How the learning rate moves."""

    schedule: str | None = Field(None, description="fixed, cosine, one-cycle, step, exponential, 1/t, …")
    warmup_epochs: float | None = Field(None, ge=0, le=1e6, description="epochs of linear warm-up")
    schedule_options: dict[str, Any] = Field(default_factory=dict, description="options of the schedule, key=value")


class LossSection(Section):
    """What is minimised."""

    loss: str | None = Field(None, description="cross-entropy, focal, mse, … (hubel components)")
    label_smoothing: float | None = Field(None, ge=0, lt=1, description="share of the label spread over all classes")
    class_weights: Literal["none", "balanced"] = Field("none", description="balanced: rare classes weigh more")
    sampler: Literal["none", "balanced", "sqrt"] = Field(
        "none", description="how often classes are shown: balanced, all alike; sqrt, by the root of their number"
    )
    logit_adjustment: float = Field(
        0.0, ge=0, le=10, description="logits are told the classes' shares while learning: 1 evens them out; 0 is off"
    )
    jsd: float = Field(
        0.0,
        ge=0,
        le=1e4,
        description="AugMix's consistency loss: its weight, 12 in the paper; a step costs three; 0 is off",
    )
    l1: float = Field(0.0, ge=0, le=1e6, description="L1 penalty on the weights, added to the loss")
    l2: float = Field(0.0, ge=0, le=1e6, description="L2 penalty on the weights, added to the loss (not weight decay)")


class AugmentSection(Section):
    """How training pictures are varied; all on whole batches, as functions of (seed, epoch, sample)."""

    augment: Chain | None = Field(None, description="none, or a list such as flip,translate=2,rotate=10,erase=8")
    robust: bool = Field(
        False, description="vary pictures so that the net stands noise, blur and weather better: adds augmix"
    )
    turned_classes: bool | None = Field(
        None, description="metric learning: each class turned by 90, 180 or 270 degrees is learnt as one of its own"
    )
    mixup: float = Field(0.0, ge=0, le=1e4, description="mix-up: alpha of the Beta distribution; 0 is off")
    cutmix: float = Field(0.0, ge=0, le=1e4, description="cut-mix: alpha of the Beta distribution; 0 is off")
    views: Literal["none", "mirror", "shift", "mirror-shift"] | None = Field(
        None, description="views of a picture whose answers the trained net averages"
    )


class TrainSection(Section):
    """How long, how fast, on what."""

    task: (
        Literal["classify", "regress", "multilabel", "reconstruct", "segment", "embed", "sequence", "field"] | None
    ) = Field(None, description="what is learnt; from the data, the net and the loss if not given")
    preset: Literal["fast", "accurate", "tiny", "paper"] | None = Field(
        None, description="settings under one word; fast if not given; paper: as the net's own paper says"
    )
    probe: Probes | None = Field(None, description="measure before training: lr, batch_size or both, comma-separated")
    epochs: int | None = Field(None, ge=1, le=1_000_000, description="passes over the training data")
    batch_size: int | Literal["full"] | None = Field(None, description="samples a step; 'full' for all of them")
    micro_batch: int | None = Field(None, ge=1, description="samples at once; a step sums over several to save memory")
    time: Duration | None = Field(None, description="time allowed for training: 90s, 10m, 1h30m")
    target: float | None = Field(None, gt=0, le=1, description="stop when validation accuracy reaches this: 0.97")
    patience: int | None = Field(None, ge=1, description="stop after so many epochs without improvement")
    seed: int = Field(0, ge=0, description="seed of weights, order, augmentation and drop-out")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:N, mps")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field("auto", description="arithmetic of the forward pass")
    compile: bool | None = Field(None, description="compile the net; if not said, where a trial shows that it pays")
    channels_last: bool = Field(True, description="memory format of pictures and filters (False for C H W)")
    threads: int | None = Field(None, ge=1, description="threads for computing; all cores if not given")
    sync_bn: bool = Field(False, description="several processes: batch norm over the samples of all, not of each")
    on_nonfinite: Literal["stop", "skip", "rollback"] = Field(
        "stop", description="what to do when loss or gradient is not finite"
    )
    on_save_error: Literal["stop", "continue"] = Field(
        "stop",
        description="when the disk does not take a save: stop, to be resumed, or go on and try again at the next",
    )
    vitals: bool = Field(
        True, description="look at gradients, updates, silent units and noise on the way; takes a hundredth of the time"
    )
    save_every: Duration | None = Field(None, description="also save inside an epoch, at most this often: 5m")
    keep_every: int | None = Field(
        None, ge=1, description="keep the weights of every so many epochs and of the start, to look back at"
    )


class RunSection(Section):
    """Where the run is written, and what is reckoned of it."""

    out: Place = Field("runs", description="folder of runs")
    name: str | None = Field(None, description="name of the run; from the data if not given; a number is added")
    baseline: bool | None = Field(
        None,
        description="also measure what a simple method gets; by itself for small data, in a tenth of the training time",
    )
    grid_intensity: float = Field(
        GRID_INTENSITY,
        ge=0,
        le=1e6,
        description="grams of CO2 for a kilowatt-hour of your electricity; the world's average",
    )


class Recipe(Section):
    """All settings, by section. Build it with `compose`."""

    data: DataSection = DataSection()
    model: ModelSection = ModelSection()
    transfer: TransferSection = TransferSection()
    distillation: DistillationSection = DistillationSection()
    pretext: PretextSection = PretextSection()
    optimizer: OptimizerSection = OptimizerSection()
    schedule: ScheduleSection = ScheduleSection()
    loss: LossSection = LossSection()
    augment: AugmentSection = AugmentSection()
    train: TrainSection = TrainSection()
    run: RunSection = RunSection()

    def change(self, **settings: Any) -> Recipe:
        """The same recipe with some settings, by their short names, replaced; checked again."""
        return compose(flatten(self), settings)


SECTIONS: dict[str, type[Section]] = {
    name: field.annotation
    for name, field in Recipe.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}
# short name -> section: the index that lets every setting have one name everywhere
SECTION_OF: dict[str, str] = {setting: section for section, kind in SECTIONS.items() for setting in kind.model_fields}

SPELLINGS = {
    "learning_rate": "lr",
    "lr0": "lr",
    "batch": "batch_size",
    "bs": "batch_size",
    "imgsz": "img_size",
    "image_size": "img_size",
    "wd": "weight_decay",
    "optimiser": "optimizer",
    "optim": "optimizer",
    "scheduler": "schedule",
    "lr_scheduler": "schedule",
    "warmup": "warmup_epochs",
    "grad_clip": "clip_grad",
    "max_grad_norm": "clip_grad",
    "initialize": "initialise",
    "smoothing": "label_smoothing",
    "augmentation": "augment",
    "channels": "in_chans",
    "column": "columns",
    "source": "data",
    "from": "from_",
    "arch": "model",
    "architecture": "model",
    "num_epochs": "epochs",
    "max_epochs": "epochs",
    "max_time": "time",
    "num_workers": "workers",
    "val": "val_fraction",
    "val_split": "val_fraction",
    "validation_split": "val_fraction",
    "test": "test_fraction",
    "test_split": "test_fraction",
    "max_samples": "limit",
    "random_seed": "seed",
    "random_state": "seed",
    "output_dir": "out",
    "save_dir": "out",
    "project": "out",
    "run_name": "name",
    "mixed_precision": "precision",
}
"""Names that others are used to, and the one that is meant."""


def setting_name(key: str) -> str:
    """The short name that `key` means: an alias, a dashed flag or an address such as "optimizer.lr"; else UsageError.

    >>> setting_name("optimizer.lr"), setting_name("imgsz"), setting_name("label-smoothing")
    ('lr', 'img_size', 'label_smoothing')
    """
    section, dot, short = key.rpartition(".")
    name = short.replace("-", "_")
    name = SPELLINGS.get(name, name)
    if name in SECTION_OF and (not dot or section == SECTION_OF[name]):
        return name
    if name in SECTION_OF:
        raise UsageError(
            f"a recipe has no setting {key!r}: {name!r} stands in section {SECTION_OF[name]!r}",
            hint=f"write {SECTION_OF[name]}.{name}, or {name} alone",
        )
    close = [SPELLINGS.get(word, word) for word in near(name, [*SECTION_OF, *SPELLINGS])]
    hint = f"did you mean {' or '.join(repr(word) for word in dict.fromkeys(close))}? " if close else ""
    raise UsageError(f"a recipe has no setting {key!r}", hint=f"{hint}all of them: hubel train --help-all")


def flatten(layer: Mapping[str, Any] | Recipe) -> dict[str, Any]:
    """Sections, addresses and aliases resolved: {short name: value}. Unknown names raise UsageError.

    >>> flatten({"optimizer": {"lr": 0.1}, "train.epochs": 3, "data": "digits"})
    {'lr': 0.1, 'epochs': 3, 'data': 'digits'}
    """
    if isinstance(layer, Recipe):
        layer = layer.model_dump()
    flat: dict[str, Any] = {}
    for key, value in layer.items():
        if key in SECTIONS and isinstance(value, Mapping):
            flat |= {setting_name(f"{key}.{inner}"): deep for inner, deep in value.items()}
        else:
            flat[setting_name(key)] = value
    return flat


def compose(*layers: Mapping[str, Any] | Recipe) -> Recipe:
    """One recipe from layers, each overriding the ones before. Raises UsageError for unknown or impossible settings."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged |= flatten(layer)
    nested: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    _check_plain(merged)
    for name, value in merged.items():
        # "auto" leaves a setting open, for those who like to say so; device and precision have an auto of their own
        opens = value == "auto" and SECTIONS[SECTION_OF[name]].model_fields[name].default is None
        nested[SECTION_OF[name]][name] = None if opens else value
    try:
        recipe = Recipe.model_validate(nested)
    except ValidationError as error:
        raise UsageError(*_explain(error), hint="hubel train --help-all says what each setting takes") from None
    _check_plain(flatten(recipe))  # once more: what came as text is a number only now
    _check_pairs(recipe)
    return recipe


def _check_plain(settings: Mapping[str, Any]) -> None:
    """Raise UsageError for a value that no text of a recipe gives back: a set, a date, bytes, NaN, 2 ** 60, "a\\0b".

    Also for true where a number is due, which Python would take for 1.
    """
    left = MOST_VALUES
    for name, given in settings.items():
        place, free = f"{SECTION_OF[name]}.{name}", bool in _kinds(SECTIONS[SECTION_OF[name]].model_fields[name])
        waiting = [given]
        while waiting:
            value, left = waiting.pop(), left - 1
            if left < 0:
                raise UsageError(
                    f"a recipe holds at most {MOST_VALUES:,} values, and {place} exceeds them",
                    hint="more than a few hundred are no recipe: is it the right file?",
                )
            if isinstance(value, Mapping):
                waiting += [*value.keys(), *value.values()]
            elif isinstance(value, (list, tuple)):
                waiting += value
            elif fault := _no_plain_value(value, booleans=free):
                raise UsageError(f"{place} {fault}, got {shown(value)}", hint=_WAYS_OUT.get(type(value).__name__, ""))


_WAYS_OUT = {
    "date": "write it in quotes to have it as text", "datetime": "write it in quotes to have it as text",
    "set": "a list is written [a, b]", "bytes": "write it as text",
}  # fmt: skip


def _no_plain_value(value: object, *, booleans: bool) -> str:
    """What is wrong with a single value, or ""."""
    if isinstance(value, bool):
        return "" if booleans else "must not be true or false"
    if isinstance(value, int):
        return "" if abs(value) <= LARGEST else f"must be at most {LARGEST}, beyond which numbers are rounded in files"
    if isinstance(value, float):
        return "" if math.isfinite(value) else "must be a finite number"
    if isinstance(value, str):
        return "must not hold the character NUL" if "\0" in value else ""
    if value is None or isinstance(value, os.PathLike):
        return ""
    return "must be text, a number, a list or a mapping" if type(value) in (set, bytes) or _is_date(value) else ""


def _is_date(value: object) -> bool:
    return isinstance(value, date)  # a datetime is one, too


def _kinds(field: FieldInfo) -> set[Any]:
    """The plain types that a setting takes; of options, bool among them."""
    found: set[Any] = set()
    waiting: list[Any] = [field.annotation]
    while waiting:
        part = waiting.pop()
        waiting += [] if get_origin(part) is Literal else get_args(part)
        found |= {part, *((bool,) if get_origin(part) is dict else ())}
    return found


def _check_pairs(recipe: Recipe) -> None:
    train, data = recipe.train, recipe.data
    for name in ("mean", "std"):
        values = getattr(data, name)
        if values is not None and data.in_chans is not None and len(values) != data.in_chans:
            raise UsageError(
                f"data.{name} must have a value for each of {data.in_chans} channels, got {len(values)}",
                hint="give one value for grey and three for colour, or leave --in-chans out",
            )
    if isinstance(train.batch_size, int) and train.batch_size < 1:
        raise UsageError(
            f"train.batch_size must be at least 1, got {train.batch_size}",
            hint="leave --batch-size out to have it chosen",
        )
    if isinstance(train.batch_size, int) and train.micro_batch and train.micro_batch > train.batch_size:
        raise UsageError(
            f"train.micro_batch ({train.micro_batch}) must not exceed train.batch_size ({train.batch_size})",
            hint="leave --micro-batch out, or make it smaller",
        )
    if data.test_fraction + (data.val_fraction or 0) >= 1:
        raise UsageError(
            "data.val_fraction + data.test_fraction must be below 1, "
            f"got {data.test_fraction + (data.val_fraction or 0):g}",
            hint="something must be left to train on",
        )
    if data.fold is not None:
        _check_fold(recipe)
    _check_balance(recipe)
    if data.limit is not None and data.train_fraction is not None:
        raise UsageError(
            f"limit ({data.limit}) and train_fraction ({data.train_fraction:g}) exclude each other",
            hint="leave --limit or --train-fraction out",
        )
    if recipe.augment.mixup and recipe.augment.cutmix:
        raise UsageError(
            f"mixup ({recipe.augment.mixup:g}) and cutmix ({recipe.augment.cutmix:g}) exclude each other",
            hint="leave one of --mixup and --cutmix at 0",
        )
    if recipe.transfer.from_ is not None and recipe.model.pretrained:
        raise UsageError(
            f"from ({recipe.transfer.from_}) and pretrained exclude each other",
            hint="--from NAME takes the published weights of the net NAME",
        )
    fresh = [name for name in ("initialise", "zero_residuals") if getattr(recipe.model, name)]
    start = "pretrained" if recipe.model.pretrained else "from" if recipe.transfer.from_ not in (None, NOTHING) else ""
    if fresh and start:
        raise UsageError(
            f"{fresh[0]} and {start} exclude each other: the one overwrites the weights that the other brings",
            hint=f"leave --{fresh[0].replace('_', '-')} or --{start} out",
        )
    if recipe.model.initialise_options and not recipe.model.initialise:
        raise UsageError(
            f"initialise_options needs initialise, got {', '.join(recipe.model.initialise_options)} alone",
            hint="name one: hubel components initialisations",
        )
    if recipe.train.target and data.val_fraction == 0:
        raise UsageError(
            f"target needs a validation split, got target {recipe.train.target:g} and val_fraction 0",
            hint="leave --val-fraction at its default",
        )


def _check_balance(recipe: Recipe) -> None:
    """Raise UsageError where classes of unequal size would be evened out twice."""
    part = recipe.loss
    ways = {
        "class_weights": part.class_weights != "none", "sampler": part.sampler != "none",
        "logit_adjustment": part.logit_adjustment > 0,
    }  # fmt: skip
    said = [name for name, is_said in ways.items() if is_said]
    if len(said) > 1:
        values = " and ".join(f"{name} ({_echo(getattr(part, name))})" for name in said)
        raise UsageError(
            f"{values} would even out the classes twice",
            hint=f"leave --{said[1].replace('_', '-')} or --{said[0].replace('_', '-')} out",
        )
    if part.logit_adjustment and part.loss not in (None, "cross-entropy", "focal"):
        raise UsageError(
            f"logit_adjustment ({part.logit_adjustment:g}) is for losses of a softmax, and {part.loss!r} is none",
            hint="take --loss cross-entropy or focal, or --class-weights balanced",
        )


def _check_fold(recipe: Recipe) -> None:
    data = recipe.data
    if recipe.pretext.method is not None:
        raise UsageError(
            f"fold ({data.fold}) needs labels, and a net that learns by {recipe.pretext.method} has none",
            hint="leave --fold out",
        )
    if data.test_fraction != DataSection().test_fraction:
        raise UsageError(
            f"test_fraction ({data.test_fraction:g}) and fold ({data.fold}) exclude each other: the fold is the test",
            hint="leave --test-fraction out",
        )
    share = 1 / int(str(data.fold).rpartition("/")[2])
    if (data.val_fraction or 0) + share >= 1:
        raise UsageError(
            f"val_fraction ({data.val_fraction:g}) and fold {data.fold} leave nothing to train on",
            hint="more folds, or a smaller --val-fraction",
        )


_PLAIN_WORDS = {
    "String should match pattern '^[0-9a-f]{64}$'": "be 64 digits from 0 to 9 and a to f",
    "Unable to parse input string as an integer, exceeded maximum size": f"be at most {LARGEST}",
    "greater than or equal to": "at least", "less than or equal to": "at most",
    "be greater than": "be above", "be less than": "be below", "valid integer, unable to parse string as an integer":
    "whole number", "valid integer, got a number with a fractional part": "whole number", "valid integer":
    "whole number", "valid number, unable to parse string as a number": "number", "valid number": "number",
    "valid string": "text", "a text": "text", "valid dictionary": "mapping of names to values",
    "valid boolean, unable to interpret input": "true or false", "a true or false": "true or false",
    "be a valid list": "be a list", "be a valid tuple": "be a list",
}  # fmt: skip


def _explain(error: ValidationError) -> tuple[str]:
    lines: list[str] = []
    for fault in error.errors():
        place = ".".join(str(part) for part in fault["loc"][:2])
        message = fault["msg"].removeprefix("Value error, ").removeprefix("Input ").removeprefix("should ")
        for theirs, ours in _PLAIN_WORDS.items():
            message = message.replace(theirs, ours)
        message = message if message.startswith("must") else f"must {message}"
        line = f"{place} {message}, got {_echo(fault['input'])}"
        if line.partition(" ")[0] not in {known.partition(" ")[0] for known in lines}:
            lines.append(line)
    return ("\n".join(lines),)


def _echo(value: object) -> str:
    """What came, as a message may show it: cut short, control characters escaped, a path as its text."""
    return shown(os.fspath(value) if isinstance(value, os.PathLike) else value)


# ---------------------------------------------------------------- layers: file, environment, --set


def read_file(path: str | Path) -> dict[str, Any]:
    """The settings of a YAML recipe file. Raises UsageError when it is missing, not YAML, or not a mapping."""
    found = read_file_of_names(path)
    for section in SECTIONS:
        if section in found and (found[section] is None or found[section] == {}):
            raise UsageError(
                f"the section {section!r} of the recipe file {str(path)!r} is empty",
                hint="write settings under it, or leave it out",
            )
    settings = flatten(found)
    _check_plain(settings)
    return settings


def read_file_of_names(
    path: str | Path,
    *,
    what: str = "a recipe",
    flag: str = "--config",
    example: str = "the config.yaml of any run is an example",
) -> dict[str, Any]:
    """A YAML file that maps names to values. Raises UsageError when it is missing, too long, or none."""
    file_of = f"the {what.split()[-1]} file {str(path)!r}"
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(RECIPE_LIMIT + 1)
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{file_of} cannot be read: {why}", hint=f"check {flag}") from None
    if len(text) > RECIPE_LIMIT:
        raise UsageError(
            f"{what} has at most {RECIPE_LIMIT >> 10} KiB, and {str(path)!r} is longer: surely not {what}",
            hint="a layer list stands in a file of its own: --model net.yaml",
        )
    try:
        found = read_yaml(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UsageError(
            f"{file_of} is not valid YAML{where_in_yaml(error)}", hint=f"settings are written name: value; {example}"
        ) from None
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise UsageError(f"{file_of} must hold settings 'name: value', got {told_of_yaml(found)}", hint=example)
    return found


def read_environment(environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Settings from variables such as HUBEL_LR or HUBEL_BATCH_SIZE. HUBEL_DATA is the place of named data sets.

    >>> read_environment({"HUBEL_LR": "0.05", "HOME": "/root"})
    {'lr': 0.05}
    """
    environment = os.environ if environment is None else environment
    found: dict[str, Any] = {}
    for name in SECTION_OF:
        variable = f"HUBEL_{name.rstrip('_').upper()}"
        # HUBEL_DATA_ROOT says where the data of a run lies now, and is no setting of a new one.
        if name not in ("data", "data_root") and variable in environment:
            found[name] = parse_value(environment[variable])
    return found


def parse_value(text: str) -> Any:
    """A value as YAML reads it, with one mend: 1e-3 is a number, as everybody means it.

    >>> parse_value("1e-3"), parse_value("true"), parse_value("adamw"), parse_value("[3, 4]")
    (0.001, True, 'adamw', [3, 4])
    """
    try:
        number = re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", text)
        value = float(text) if number else read_yaml(text[: RECIPE_LIMIT + 1])
    except (yaml.YAMLError, RecursionError, ValueError):
        return text
    return text if isinstance(value, date) else value  # a run may well be called 2024-01-31


def parse_assignments(assignments: list[str]) -> dict[str, Any]:
    """Settings from words such as "optimizer.lr=0.05".

    >>> parse_assignments(["optimizer.lr=0.05", "augment=flip,translate=2"])
    {'lr': 0.05, 'augment': 'flip,translate=2'}
    """
    found: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key:
            raise UsageError(
                f"a setting is written name=value, got {assignment!r}", hint="e.g. --set optimizer.lr=0.05"
            )
        found[setting_name(key)] = parse_value(value)
    return found


def to_yaml(recipe: Recipe) -> str:
    """The recipe as a YAML file that `read_file` reads back to the same recipe.

    >>> import tempfile, pathlib
    >>> recipe = compose({"data": "digits", "augment": "flip,translate=2", "time": "10m"})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "recipe.yaml")
    ...     _ = path.write_text(to_yaml(recipe))
    ...     compose(read_file(path)) == recipe
    True
    """
    plain = recipe.model_dump(mode="json")
    text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
    # The old next-line character counts as a line break in YAML, and would come back as a space unless it is escaped.
    return yaml.safe_dump(plain, sort_keys=False) if "\x85" in text else text


def choices(annotation: Any) -> tuple[str, ...]:
    """The words a Literal setting takes, else ()."""
    found: list[str] = []
    for part in (annotation, *get_args(annotation)):
        found += [str(word) for word in get_args(part) if isinstance(word, str)]
    return tuple(dict.fromkeys(found))
