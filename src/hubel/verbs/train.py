"""Train: recipe in, run folder out. The loop computes; this verb reads, writes and tells."""

from __future__ import annotations

import json
import math
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from hubel import runtime
from hubel.assembly import transfer
from hubel.assembly.prepare import Prepared, prepare
from hubel.assembly.probing import probed
from hubel.assembly.together import RankLog, agree, computing, share_statistics
from hubel.assembly.trials import paced
from hubel.checkpoint import ModelSpec, golden_images, golden_logits, load_state, save_state, save_weights
from hubel.checkpoint.published import load_published
from hubel.data.augment import build_augment
from hubel.data.batches import batches, epoch_order
from hubel.data.splits import Splits
from hubel.errors import ArtefactError, HubelError, UsageError
from hubel.inference import predict
from hubel.metrics.classification import top_k
from hubel.metrics.probability import log_loss
from hubel.models import card, resolve
from hubel.models.architectures.quicknet import QuickNet
from hubel.nn.init import INITIALISERS, initialise, zero_residuals
from hubel.nn.losses import LOSSES, build_loss
from hubel.recipes.schema import Recipe, compose, flatten, read_environment, read_file, to_yaml
from hubel.records.ledger import find
from hubel.runtime import average, processes, rank, world
from hubel.store import RunStore, SaveFailed, shown
from hubel.training.energy import Meter
from hubel.training.events import EpochDone, Event, Finished, MicroBatchHalved, Skipped, StepDone
from hubel.training.loop import NonFinite, Training, fit, forward_precision
from hubel.training.optimisers import OPTIMISERS, build_optimiser
from hubel.training.resume import Signals, differences, latest_unfinished
from hubel.training.schedules import build_schedule
from hubel.types import Batch
from hubel.verbs.evaluate import conclude
from hubel.verbs.run import Run
from hubel.watching import SILENT, Watcher

WEIGHTS, AUGMENT = 1, 3
"""Words that tell the random numbers of initial weights and augmentation from those of order and drop-out."""
WHITENING_SAMPLES = 4096
"""Training pictures from which QuickNet's first filters are computed."""
MOST_EPOCHS = 1 << 30
"""An epoch so late that everything that ever learns is learning."""
ROLLBACKS = 3
"""How often a run may go back to its last saved state before it gives up."""
SAVE_SHARE = 0.01
"""Share of the time that saving may take; the first and the last epoch are always saved."""
SAVE_EVERY = 300.0
"""Seconds after which a state is saved also inside an epoch."""


class Stopped(HubelError):
    """A signal asked the run to stop; it can be resumed."""

    def __init__(self, run: Run, signal: str, code: int) -> None:
        super().__init__(
            f"stopped by {signal}; everything so far is saved in {run.folder}",
            hint=f"go on: hubel train --resume {run.folder}",
        )
        self.run = run
        self.exit_code = code


def train(
    data: str | Path | None = None,
    *,
    config: str | Path | None = None,
    resume: str | Path | None = None,
    watch: Watcher = SILENT,
    **settings: Any,
) -> Run:
    """Train a classifier and return its run.

    `data` names a source, a folder or a table of files; `config` is a recipe file; `settings` are those of the recipe
    by their short names (`model="resnet18", epochs=20, lr=0.01`). `resume` goes on with an unfinished run, "auto" with
    the latest one if there is any.

    Raises UsageError, DataError, NonFinite, SaveFailed; Stopped when a signal asked for the end.
    """
    with processes():
        watch = watch if rank() == 0 else SILENT  # several processes speak with one voice
        if resume is not None:
            found = latest_unfinished(settings.get("out", "runs")) if str(resume) == "auto" else find(resume)
            if found is not None:
                return go_on(Path(found), watch)
            watch.remark("no unfinished run to resume: starting a new one")
        recipe = compose(
            read_file(config) if config is not None else {},
            read_environment(),
            settings | ({} if data is None else {"data": str(data)}),
        )
        if not recipe.data.data:
            raise UsageError("a data source is needed", hint="hubel train digits, or hubel train path/to/folder")
        check_names(recipe)
        with computing(recipe):
            return begin(recipe, watch)


def check_names(recipe: Recipe) -> None:
    """Raise UsageError for a name that no registry holds: before any picture is read, not after."""
    for setting in recipe.train.probe or ():
        given = flatten(recipe)[setting]
        if given is not None:
            flag = f"--{setting.replace('_', '-')}"
            raise UsageError(f"{setting} is given ({given}) and to be probed", hint=f"leave out {flag} or --probe")
    name = recipe.model.model
    if name is not None and not name.startswith("timm/") and not name.endswith((".yaml", ".yml")):
        card(name)
    if recipe.optimizer.optimizer is not None:
        settings = OPTIMISERS.get(recipe.optimizer.optimizer).settings
        if recipe.optimizer.betas is not None and "betas" not in settings:
            having = ", ".join(name for name in OPTIMISERS.names() if "betas" in OPTIMISERS.get(name).settings)
            raise UsageError(
                f"betas are the decay rates of two moments, and {recipe.optimizer.optimizer!r} keeps no two",
                hint=f"leave --betas out, or take one of {having}",
            )
    if recipe.model.initialise is not None:
        INITIALISERS.get(recipe.model.initialise)
    if recipe.loss.loss is not None:
        LOSSES.get(recipe.loss.loss)
    if recipe.schedule.schedule is not None:
        build_schedule(recipe.schedule.schedule, total_steps=10, **recipe.schedule.schedule_options)
    build_augment(augmentations(recipe))
    runtime.pick_device(recipe.train.device)


def begin(recipe: Recipe, watch: Watcher) -> Run:
    """Start a new run in a folder of its own."""
    if recipe.transfer.from_ is not None:
        return begin_from(recipe, watch)
    prepared = prepared_together(recipe, watch)
    watch.stage("building the model")
    model, spec = build(prepared)
    prepared = probed(prepared, model, watch, assemble)
    agree(prepared.recipe, model, batch_size(prepared.recipe, len(prepared.ids("train"))), watch)
    recipe = paced(prepared, model, watch, assemble)
    training = assemble(recipe, prepared, model)
    folder = [str(_create(recipe, prepared, training).folder)] if rank() == 0 else [""]
    if world() > 1:
        dist.broadcast_object_list(folder)
    return follow(RunStore(folder[0]), training, prepared, spec, watch)


def begin_from(recipe: Recipe, watch: Watcher) -> Run:
    """Start a new run from a trained net: its weights, a plan what learns again, and a head fitted to what it sees."""
    if world() > 1:
        raise UsageError("a run that starts --from a trained net takes one process", hint="leave torchrun out")
    watch.stage("reading the net to start from")
    source = transfer.find_source(str(recipe.transfer.from_))
    recipe, adopted = transfer.adopt(recipe, source)
    prepared = prepare(recipe, watch)
    transfer.check_kind(prepared, source)
    prepared.reasons.update(adopted)
    watch.stage("building the model")
    model, spec, prepared, facts = transfer.planned(prepared, source, build, watch)
    recipe = prepared.recipe
    if transfer.only_head(prepared, model):
        training = assemble(recipe, prepared, model)
    else:
        head = assemble(recipe.change(unfreeze="head", ema=0.0), prepared, model)
        spent = transfer.warm(head, prepared, facts, watch)
        # An epoch is timed with all learning that will ever learn, and what the head has taken is gone.
        left = None if recipe.train.time is None else max(1.0, recipe.train.time - spent)
        most = "all" if recipe.transfer.unfreeze == "gradual" else recipe.transfer.unfreeze
        whole = probed(replace(prepared, recipe=recipe.change(unfreeze=most, time=left)), model, watch, assemble)
        recipe = paced(whole, model, watch, assemble).change(unfreeze=recipe.transfer.unfreeze, time=recipe.train.time)
        prepared = replace(prepared, recipe=recipe)
        training = assemble(recipe, prepared, model)
        training.seconds = spent
        facts["stages"] = transfer.stage_rows(model, recipe)
    store = _create(recipe, prepared, training)
    store.write_json("transfer.json", facts)
    return follow(store, training, prepared, spec, watch)


def go_on(folder: Path, watch: Watcher) -> Run:
    """Resume a run where its last saved state stands, to the same bits as if it had never stopped."""
    store = RunStore.open(folder)
    recipe = compose(read_file(folder / "config.yaml"))
    splits = Splits.from_dict(store.read_json("split.json", limit=1 << 30))
    if Run(folder).status == "finished":
        watch.remark(f"{folder} has finished already: nothing to resume")
        return Run(folder)
    with computing(recipe):
        state = load_state(store)
        for reason in state.skipped:
            watch.remark(f"a damaged state was passed over: {reason}")
        here = runtime.environment(runtime.pick_device(recipe.train.device))
        for difference in differences(_environment(store), here):
            watch.remark(f"not the same bits as without the stop: {difference}")
        prepared = prepared_together(recipe, watch, splits)
        recipe = prepared.recipe  # whole also where somebody took a line out of config.yaml
        model, spec = build(prepared)
        agree(recipe, model, batch_size(recipe, len(prepared.ids("train"))), watch)
        training = assemble(recipe, prepared, model)
        try:
            training.restore(state.tensors, state.meta["training"])
            logs = {str(name): int(size) for name, size in state.meta["logs"].items()}
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise ArtefactError(
                f"the saved state of {folder} does not fit its recipe: {shown(str(error))}",
                hint="config.yaml was changed since, or state/ is of another run",
            ) from error
        watch.remark(f"resuming {folder} at epoch {training.epoch + 1}")
        return follow(store, training, prepared, spec, watch, state={**state.meta, "logs": logs})


def _environment(store: RunStore) -> dict[str, Any]:
    """What the run was begun with, as far as it is known."""
    found = store.read_json("env.json")
    if not isinstance(found, dict):
        raise ArtefactError(f"{store.path('env.json')} must be an object, got {shown(found)}")
    return found


def prepared_together(recipe: Recipe, watch: Watcher, splits: Splits | None = None) -> Prepared:
    """Prepare the data; with several processes, the first fills the cache and the others read it."""
    if world() == 1:
        return prepare(recipe, watch, splits=splits)
    if rank() == 0:
        prepared = prepare(recipe, watch, splits=splits)
        dist.barrier()
        return prepared
    dist.barrier()
    return prepare(recipe, splits=splits)


def build(prepared: Prepared) -> tuple[nn.Module, ModelSpec]:
    """The net of the recipe with its initial weights, a function of the seed, and its description as data."""
    recipe, manifest = prepared.recipe, prepared.manifest
    options = dict(recipe.model.model_options)
    if recipe.model.dropout is not None:
        options["dropout"] = recipe.model.dropout
    assert recipe.model.model is not None
    name, options = resolve(recipe.model.model, options)
    img_size: tuple[int, int] | None
    if prepared.preprocessing is not None:
        in_chans = prepared.preprocessing.channels
        img_size = (prepared.preprocessing.height, prepared.preprocessing.width)
    else:  # a net for pictures takes points as pictures of one pixel
        in_chans, img_size = prepared.decoded.images.shape[1], (1, 1) if card(name).img_size else None
    spec = ModelSpec(
        architecture=name,
        num_classes=manifest.num_classes or 1,
        in_chans=in_chans,
        img_size=img_size,
        options=options,
    )
    runtime.seed_all(recipe.train.seed, WEIGHTS)
    model = spec.build()
    if recipe.model.initialise is not None:
        initialise(model, recipe.model.initialise, **recipe.model.initialise_options)
    if recipe.model.zero_residuals:
        zero_residuals(model)
    if recipe.model.pretrained:
        load_published(model, recipe.model.model)
    elif recipe.transfer.from_ is None and isinstance(model, QuickNet) and prepared.preprocessing is not None:
        # Drawn by the split's seed, not the run's: the same filters for every seed of a comparison.
        rows = epoch_order(prepared.ids("train"), seed=recipe.data.split_seed, epoch=0)[:WHITENING_SAMPLES]
        pictures = torch.from_numpy(prepared.decoded.images[np.sort(rows)])
        model.start_from(prepared.preprocessing.normalise(pictures))
    return model, spec


def assemble(recipe: Recipe, prepared: Prepared, model: nn.Module) -> Training:
    """Model, optimiser, schedule, loss and batches, wired together as the recipe says."""
    device = runtime.pick_device(recipe.train.device)
    layout = torch.channels_last if recipe.train.channels_last and prepared.preprocessing else torch.contiguous_format
    model = model.to(device, memory_format=layout)  # type: ignore[call-overload]
    rows = prepared.ids("train")
    size = batch_size(recipe, len(rows))
    steps = max(1, len(rows) // size)
    assert recipe.optimizer.optimizer is not None, "defaults have chosen"
    assert recipe.optimizer.lr is not None
    assert recipe.schedule.schedule is not None
    assert recipe.loss.loss is not None
    freeze = transfer.freezing(recipe)
    if freeze is not None:
        freeze(model, MOST_EPOCHS)  # what never learns is none of the optimiser's business
    optimiser = build_optimiser(
        recipe.optimizer.optimizer,
        model,
        lr=recipe.optimizer.lr,
        weight_decay=recipe.optimizer.weight_decay or 0.0,
        layer_decay=recipe.optimizer.layer_decay or 1.0,
        momentum=momentum(recipe),
        betas=recipe.optimizer.betas,
    )
    total = steps * (recipe.train.epochs or 1)
    schedule = build_schedule(
        recipe.schedule.schedule,
        total_steps=total,
        steps_per_epoch=steps,
        warmup_steps=min(total - 1, round(steps * (recipe.schedule.warmup_epochs or 0.0))),
        **recipe.schedule.schedule_options,
    )
    loss = build_loss(
        recipe.loss.loss,
        label_smoothing=recipe.loss.label_smoothing or 0.0,
        class_weights=class_weights(recipe, prepared, rows),
    ).to(device)
    augment = build_augment(augmentations(recipe))
    seed, classes = recipe.train.seed, prepared.manifest.num_classes

    def training_batches(epoch: int, start: int) -> Iterator[Batch]:
        found = batches(
            prepared.decoded, rows, preprocessing=prepared.preprocessing, batch_size=size, seed=seed, epoch=epoch,
            shuffle=True, augment=augment if augment.steps else None, device=device,
            channels_last=recipe.train.channels_last, drop_last=True, start_step=start, shard=(rank(), world()),
        )  # fmt: skip
        for batch in found:
            if not augment.mixes:
                yield batch
                continue
            images, soft = augment.mix(batch.images, batch.labels, classes, batch.ids, seed=seed, epoch=epoch)
            yield Batch(images, batch.labels, batch.ids, soft)

    return Training(
        recipe=recipe,
        model=model,
        optimiser=optimiser,
        schedule=schedule,
        loss=loss,
        batches=training_batches,
        steps_per_epoch=steps,
        measure=lambda model: measure(model, prepared, "val", device),
        device=device,
        task="regression" if prepared.manifest.regression else "classification",
        freeze=freeze,
    )


def batch_size(recipe: Recipe, samples: int) -> int:
    """Samples a step: as asked, but never more than there are."""
    wanted = recipe.train.batch_size
    return samples if wanted == "full" or wanted is None else min(wanted, samples)


def augmentations(recipe: Recipe) -> tuple[str, ...]:
    """The chain of augmentations, mix-up and cut-mix last."""
    part = recipe.augment
    mixing = [f"{name}={alpha:g}" for name, alpha in (("mixup", part.mixup), ("cutmix", part.cutmix)) if alpha]
    chain = [word for word in part.augment or () if word != "none"] + mixing
    return tuple(chain) or ("none",)


def momentum(recipe: Recipe) -> float | None:
    """The momentum of the recipe, for optimisers that take one; None elsewhere."""
    takes = "momentum" in OPTIMISERS.get(recipe.optimizer.optimizer or "").settings
    return recipe.optimizer.momentum if takes else None


def class_weights(recipe: Recipe, prepared: Prepared, rows: np.ndarray) -> torch.Tensor | None:
    """Weights that make every class count alike: N / (K n_k), 0 for a class without training samples."""
    if recipe.loss.class_weights == "none" or prepared.manifest.regression:
        return None
    counts = np.bincount(prepared.manifest.labels[rows], minlength=prepared.manifest.num_classes)
    weights = np.where(counts > 0, len(rows) / (len(counts) * np.maximum(counts, 1)), 0.0)
    return torch.tensor(weights, dtype=torch.float32)


def measure(model: nn.Module, prepared: Prepared, name: str, device: torch.device) -> dict[str, float]:
    """Loss and accuracy (or squared error) on a split, for every epoch. {} if the split is empty."""
    rows = prepared.splits.ids(name)
    if not len(rows):
        return {}
    mine = rows[rank() :: world()]
    share_statistics(model)
    reading = batches(
        prepared.decoded, mine, preprocessing=prepared.preprocessing, batch_size=500, device=device,
        channels_last=prepared.recipe.train.channels_last,
    )  # fmt: skip
    if not len(mine):  # fewer samples than processes: this one only listens
        numbers = dict.fromkeys(("loss",) if prepared.manifest.regression else ("loss", "accuracy"), 0.0)
        return {f"{name}_{key}": value for key, value in average(numbers, 0, device).items()}
    found = predict(model, reading, forward=in_precision(model, prepared.recipe, device))
    logits, labels = found.logits, found.labels
    if prepared.manifest.regression:
        numbers = {"loss": float(np.square(logits[:, 0] - labels).mean())}
    else:
        numbers = {"loss": log_loss(logits, labels), "accuracy": top_k(logits, labels, 1)}
    return {f"{name}_{key}": value for key, value in average(numbers, len(mine), device).items()}


def in_precision(model: nn.Module, recipe: Recipe, device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
    """The forward pass in the arithmetic of the training: the numbers of an epoch cost no more than they must."""
    precision = forward_precision(recipe.train.precision, device)
    if precision == torch.float32:
        return model
    return torch.autocast(device.type, dtype=precision)(model)


def _create(recipe: Recipe, prepared: Prepared, training: Training) -> RunStore:
    name = recipe.run.name or Path(prepared.manifest.source).stem or "run"
    tensors, _ = training.state()
    # Four checkpoints at once at worst: two generations of the state, the third being written, and the weights.
    needed = 4 * sum(value.numel() * value.element_size() for value in tensors.values()) + (4 << 20)
    RunStore(recipe.run.out).preflight(needed)
    store = RunStore.create(recipe.run.out, name)
    store.write_text("config.yaml", to_yaml(recipe))
    environment = runtime.environment(training.device)
    store.write_json("env.json", environment | {"processes": world(), "command": command()})
    store.write_json("split.json", prepared.splits.to_dict(), limit=1 << 30)
    store.write_json("data.json", data_facts(prepared), limit=1 << 30)
    store.write_json("reasons.json", prepared.reasons)
    return store


def data_facts(prepared: Prepared) -> dict[str, Any]:
    """The data of the run as plain data: what, how much, its digests, and what was left out."""
    manifest = prepared.manifest
    return {
        "source": manifest.source,
        "root": manifest.root,
        "kind": manifest.kind,
        "digest": manifest.digest,
        "split_digest": prepared.splits.digest,
        "class_names": list(manifest.class_names),
        "samples": {name: len(prepared.ids(name)) for name in ("train", "val", "test")},
        "problems": [plain(problem) for problem in prepared.scan.problems],
        "samples_by_name": None
        if manifest.paths is None
        else dict(zip(manifest.paths, manifest.digests or (), strict=False)),
    }


def plain(value: Any) -> Any:
    """A dataclass as a dictionary."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def command() -> str:
    """The command that was given, as it can be given again."""
    program = Path(sys.argv[0]).name
    return shlex.join(["hubel" if program in ("__main__.py", "hubel") else program, *sys.argv[1:]])


class Logbook:
    """What a run writes while it trains: a row an epoch, a line an event, weights and states as often as is cheap.

    What the disk does not take raises SaveFailed; with `on_save_error: continue` it is told to `watch` instead, kept,
    and tried again with the next line and the next save.
    """

    def __init__(
        self,
        store: RunStore,
        training: Training,
        prepared: Prepared,
        spec: ModelSpec,
        meter: Meter,
        watch: Watcher = SILENT,
    ) -> None:
        self.store, self.training, self.prepared, self.spec = store, training, prepared, spec
        self.watch = watch
        self.waiting: list[tuple[str, str]] = []  # lines of logs that the disk has not taken yet
        self.trouble = False
        first = prepared.ids("train")[:16]
        self.meter = meter
        self.log = RankLog(store, training.device) if world() > 1 else None
        self.golden = golden_images(torch.from_numpy(np.ascontiguousarray(prepared.decoded.images[first])))
        self.saved_at = time.perf_counter()
        self.cost = 0.0
        self.kept: dict[str, torch.Tensor] | None = None
        self.every = max(1, training.steps_per_epoch // 20)

    def event(self, event: Event) -> None:
        """Log an event; save when it is time to."""
        if self.log is not None:
            self.log.event(event)
        if isinstance(event, StepDone):
            if event.step % self.every == 0:
                self._line({"event": "step", "epoch": event.epoch + 1, "step": event.step, "loss": event.loss.item()})
            if time.perf_counter() - self.saved_at > (self.training.recipe.train.save_every or SAVE_EVERY):
                self._tolerate(self.save)
        elif isinstance(event, EpochDone):
            self._row(event.row)
            self._line({"event": "epoch", **finite(event.row)})
            if event.best:
                self.kept = {k: v.detach().clone() for k, v in self.training.measured_model.state_dict().items()}
            if time.perf_counter() - self.saved_at > self.cost / SAVE_SHARE:
                self._tolerate(self.save)
        else:
            self._line({"event": type(event).__name__.lower(), **finite(plain(event))})

    def save(self, *, finished: bool = False) -> None:
        """Write weights/best (if a better one came), weights/last, and the state to resume from; or SaveFailed."""
        started = self.saved_at = time.perf_counter()
        training = self.training
        self._flush()
        if self.kept is not None:
            self._weights("best", self.kept, training.best)
            self.kept = None
        if training.history and training.step == training.epoch * training.steps_per_epoch:
            # inside an epoch the numbers of the last epoch would not be those of these weights
            self._weights("last", training.measured_model.state_dict(), training.history[-1])
        tensors, meta = training.state()
        logs = {name: self.store.mark(name) for name in ("metrics.csv", "events.jsonl")}
        energy = self.meter.energy().to_dict()
        save_state(self.store, tensors, {"training": meta, "logs": logs, "finished": finished, "energy": energy})
        self.cost, self.saved_at = time.perf_counter() - started, time.perf_counter()
        if self.trouble:
            self.trouble = False
            self.watch.remark("the disk takes files again: everything so far is saved")

    def _weights(self, name: str, state: Mapping[str, torch.Tensor], row: Mapping[str, float]) -> None:
        model = self.training.measured_model
        now = {key: value.detach().clone() for key, value in model.state_dict().items()}
        model.load_state_dict(state)
        logits = golden_logits(model, self.prepared.preprocessing, self.golden)
        model.load_state_dict(now)
        save_weights(
            self.store,
            name,
            state,
            spec=self.spec,
            preprocessing=self.prepared.preprocessing,
            class_names=self.prepared.class_names,
            recipe=self.training.recipe.model_dump(mode="json"),
            metrics=finite(row),
            data_digest=self.prepared.manifest.digest,
            probes=(self.golden, logits),
        )

    def _row(self, row: Mapping[str, float]) -> None:
        if not self.store.exists("metrics.csv") and all(name != "metrics.csv" for name, _ in self.waiting):
            self._append("metrics.csv", ",".join(row))
        self._append("metrics.csv", ",".join(f"{value:.10g}" for value in row.values()))

    def _line(self, facts: Mapping[str, Any]) -> None:
        self._append("events.jsonl", json.dumps(finite(facts), allow_nan=False))

    def _append(self, name: str, line: str) -> None:
        self.waiting.append((name, line))
        self._tolerate(self._flush)

    def _flush(self) -> None:
        while self.waiting:
            self.store.append_line(*self.waiting[0])
            del self.waiting[0]

    def _tolerate(self, write: Callable[[], None]) -> None:
        """Write; where the recipe says so, go on when that fails, saying so once until a save succeeds again."""
        try:
            write()
        except SaveFailed as error:
            if self.training.recipe.train.on_save_error == "stop":
                raise
            if not self.trouble:
                self.trouble = True
                self.watch.remark(f"{error.what}; training goes on, and the next save tries again")
                self.waiting.append(("events.jsonl", json.dumps({"event": "save failed", "reason": error.what})))


def finite(row: Mapping[str, Any]) -> dict[str, Any]:
    """JSON knows no NaN and no infinity: None stands for them."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}


def follow(
    store: RunStore,
    training: Training,
    prepared: Prepared,
    spec: ModelSpec,
    watch: Watcher,
    state: Mapping[str, Any] | None = None,
) -> Run:
    """Run the loop to its end, logging and saving; then measure the best weights and write the report.

    `state`: what was saved beside the tensors, when the run is resumed.
    """
    run = Run(store.folder)
    if rank() > 0:
        # Signals come to all processes at once. The first must not lose us in the middle of an exchange: it stops
        # between two steps and saves, and when it is gone our next exchange fails.
        log = RankLog(store, training.device)
        with Signals() as signals:
            try:
                for event in fit(training):
                    log.event(event)
            except RuntimeError:
                if not signals.received:
                    raise
                log.line({"event": "stopped", "reason": signals.received})
                raise Stopped(run, signals.received, signals.exit_code) from None
        return run
    watch.training(plan(training, prepared, spec, run))
    meter = Meter(
        processor=str(runtime.environment()["device_name"]),
        intensity=training.recipe.run.grid_intensity,
        watch_gpus=training.device.type == "cuda",
        processes=world(),
        spent=(state or {}).get("energy"),
    )
    with store.lock(), Signals() as signals, meter:
        store.sweep()
        for name, size in (state or {}).get("logs", {}).items():
            store.rewind(name, size)
        book = Logbook(store, training, prepared, spec, meter, watch)
        try:
            finished = pursue(book, watch, signals)
            book.save(finished=finished is not None)
        except (NonFinite, SaveFailed) as error:
            store.sweep()
            with suppress(SaveFailed):  # the disk may still be full; the error itself is the news
                stopped = {"status": "stopped", "reason": error.what, "best": finite(training.best)}
                store.write_json("summary.json", stopped)
            raise
        store.sweep()  # the room of the oldest state is not needed any more
        if finished is None:
            stopped = {"status": "stopped", "reason": signals.received, "best": finite(training.best)}
            store.write_json("summary.json", stopped)
            watch.done()
            raise Stopped(run, signals.received, signals.exit_code)
        watch.stage("measuring and writing the report")
        summary: dict[str, Any] = {
            "status": "finished",
            "reason": finished.reason,
            "epochs": finished.epochs,
            "seconds": finished.seconds,
            "preparation_seconds": prepared.seconds,
            "parameters": sum(p.numel() for p in training.model.parameters()),
            **transfer.learnt(training),
            "best": finite(training.best),
            "energy": meter.energy().to_dict(),
        }
        conclude(store, prepared, summary)
    watch.done()
    return run


def pursue(book: Logbook, watch: Watcher, signals: Signals) -> Finished | None:
    """Read the loop's events until it ends; None if a signal asked to stop. Rolls back where the recipe says so."""
    training = book.training
    for attempt in range(ROLLBACKS + 1):
        try:
            for event in transfer.events(training, book.prepared, watch):
                book.event(event)
                watch.event(event)
                if isinstance(event, (Skipped, MicroBatchHalved)):
                    watch.remark(said(event))
                if isinstance(event, Finished):
                    return event
                if signals.received:
                    return None
        except NonFinite as error:
            if training.recipe.train.on_nonfinite != "rollback" or attempt == ROLLBACKS:
                raise
            roll_back(book, error)
            watch.remark(f"{error.what}; back to step {training.step}, that step will be left out")
    return None


def roll_back(book: Logbook, error: NonFinite) -> None:
    """Back to the last saved state, with the offending step marked to be left out: the same on every replay."""
    training = book.training
    skipped = training.skipped | {error.updates}
    try:
        state = load_state(book.store)
    except ArtefactError:
        raise error from None
    training.restore(state.tensors, state.meta["training"])
    training.skipped |= skipped
    book.kept = None  # better weights than those of the state belong to epochs that are run again,
    book.waiting.clear()  # and so do the lines
    for name, size in state.meta["logs"].items():
        book.store.rewind(name, size)
    book.store.append_line("events.jsonl", f'{{"event": "rollback", "step": {error.updates}}}')


def said(event: Skipped | MicroBatchHalved) -> str:
    """A remark about an event."""
    if isinstance(event, Skipped):
        return f"epoch {event.epoch + 1}, step {event.step} was left out: {event.reason}"
    return f"memory ran out: the batch is now taken in parts of {event.micro_batch}, with the same result"


def plan(training: Training, prepared: Prepared, spec: ModelSpec, run: Run) -> dict[str, Any]:
    """What a face shows before the first step."""
    return {
        "run": str(run.folder),
        "data": prepared.manifest.source,
        "train": len(prepared.ids("train")),
        "val": len(prepared.splits.val),
        "test": len(prepared.splits.test),
        "classes": prepared.manifest.num_classes,
        "size": None if prepared.preprocessing is None else prepared.preprocessing.shape,
        "model": spec.architecture,
        "parameters": sum(p.numel() for p in training.model.parameters()),
        "transfer": transfer.in_words(training),
        "fits_head": transfer.only_head(prepared, training.model),
        "epochs": training.recipe.train.epochs,
        "epoch": training.epoch,
        "steps": training.steps_per_epoch,
        "optimizer": training.recipe.optimizer.optimizer,
        "lr": training.recipe.optimizer.lr,
        "batch_size": batch_size(training.recipe, len(prepared.ids("train"))),
        "device": str(training.device),
        "threads": torch.get_num_threads(),
        "processes": world(),
        "reasons": prepared.reasons,
    }
