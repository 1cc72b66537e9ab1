"""Every task in the registry keeps these promises: it can be asked for, trained, judged, told and drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hubel.assembly.by_task import by_task
from hubel.data.augment import build_augment
from hubel.data.preprocessing import Preprocessing
from hubel.data.sources import open_source
from hubel.errors import DataError, UsageError
from hubel.evaluation.answers import ANSWERED
from hubel.evaluation.judging import JUDGES
from hubel.events import SCORES
from hubel.models import CARDS, create_model
from hubel.models.ensemble import ASKED
from hubel.nn.losses import LOSSES
from hubel.recipes.form import field_of
from hubel.recipes.schema import SECTION_OF, compose
from hubel.report.drawings.tasks import DRAWN
from hubel.searching.mean_kinds import MEANS
from hubel.tasks import TASKS, Task
from hubel.types import Batch

NAMES = TASKS.names()
NO_LABELS = [name for name in NAMES if not TASKS.get(name).labels]


def a_batch(name: str, classes: int = 3) -> Batch:
    """Four samples with what a task learns: masks, labels of which several may be there, colours, else classes."""
    draw = torch.Generator().manual_seed(0)
    masks = torch.randint(0, classes, (4, 16, 16), generator=draw).to(torch.uint8)
    masks[0, 0, 0] = 255
    labels = torch.tensor([0, 0, 1, 1])
    several = torch.tensor([[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1]], dtype=torch.uint8)
    targets = {"segment": masks, "multilabel": several, "field": 200 * several}.get(name)
    shape = (4, 2) if name == "field" else (4, 1, 16, 16)
    return Batch(torch.randn(shape, generator=draw), labels, torch.arange(4), targets=targets)


def a_net(task: Task) -> torch.nn.Module:
    small = {"unet": {"maps": 4, "levels": 2}, "siamese": {"width": 8}}.get(task.model, {})
    if task.name == "field":
        return create_model("siren", num_classes=3, in_chans=2, hidden=(16, 16))
    return create_model(task.model or "mlp", num_classes=3 if task.score else 1, in_chans=1, img_size=16, **small)


def test_the_recipe_knows_the_tasks_and_no_others() -> None:
    assert sorted(field_of("task").choices) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_what_it_names_is_there(name: str) -> None:
    task = TASKS.get(name)
    assert task.name == name
    assert task.title
    assert task.about.endswith(".")
    assert not task.score or task.score in SCORES
    assert all(LOSSES.get(loss) for loss in task.losses)
    assert set(task.fixed) | set(task.unused) <= set(SECTION_OF)
    assert not task.model or (CARDS.get(task.model) and task.why_model)


@pytest.mark.parametrize("name", NAMES)
def test_several_nets_have_a_mean_or_it_is_said_why_not_and_what_to_do(name: str) -> None:
    task = TASKS.get(name)
    assert set(MEANS) == {each.mean for each in TASKS.values() if each.mean}
    assert bool(task.mean) != bool(task.no_mean and task.instead)
    assert not (task.mean and task.asks) or task.asks in ASKED


@pytest.mark.parametrize("name", NO_LABELS)
def test_it_is_judged_told_and_drawn(name: str) -> None:
    assert name in JUDGES
    assert name in ANSWERED
    assert len(DRAWN) >= len(JUDGES), "each kind of result is drawn"
    assert TASKS.get(name).losses, "a task that is no label says which losses fit"


@pytest.mark.parametrize("name", NAMES)
def test_a_file_gives_probabilities_or_what_its_ending_says_or_it_is_said_why_there_is_none(name: str) -> None:
    task, sight = TASKS.get(name), Preprocessing(height=16, width=16, channels=1)
    ending = task.ending(sight, ("a", "b", "c"), {"middles": np.eye(3, 8)}, {"distance": 0.5})
    if ending is None:
        assert task.unshipped or task.several or task.counts, "probabilities of classes, or a reason"
        return
    images = torch.randn(3, 1, 16, 16)
    with torch.no_grad():
        given = ending(images, task.answering(a_net(task).eval())(images))
    found = {output.name: each.numpy() for output, each in zip(ending.outputs, given, strict=True)}
    assert all(
        len(each) == 3 and str(each.dtype) == o.kind for each, o in zip(found.values(), ending.outputs, strict=True)
    )
    assert ending.outputs[0].kind == "float32", "exporters check batches by it"
    assert all(output.what and (output.counted or not output.decides) for output in ending.outputs)
    margins = ending.margins(found)
    assert {o.name for o in ending.outputs if o.decides} == set(margins), (
        "a decision has a margin, by which ties are told"
    )
    assert all(margins[key].shape == found[key].shape for key in margins)
    if not task.labels:
        assert len(task.say(["1", "2", "3"], found, ("a", "b", "c"), images.numpy)) == 3


@pytest.mark.parametrize("name", NAMES)
def test_a_step_of_its_loss_brings_its_own_number_down(name: str) -> None:
    task, batch = TASKS.get(name), a_batch(name)
    torch.manual_seed(0)
    net = a_net(task).train()
    loss = task.build_loss(task.losses[0] if task.losses else "mse" if name == "regress" else "cross-entropy")
    asked, targets = task.answering(net), task.targets(batch)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    first = None
    for _ in range(12):
        optimiser.zero_grad()
        value = loss(asked(batch.images), targets)
        first = value.item() if first is None else first
        value.backward()
        optimiser.step()
    assert value.item() < first


@pytest.mark.parametrize("name", NAMES)
def test_its_numbers_do_not_depend_on_how_samples_come_in_batches(name: str) -> None:
    task, batch = TASKS.get(name), a_batch(name)
    net = a_net(task).eval()
    whole, parts = task.tally(), task.tally()
    with torch.no_grad():
        whole.add(task.answering(net)(batch.images), batch)
        for part in (slice(0, 1), slice(1, 4)):
            targets = None if batch.targets is None else batch.targets[part]
            some = Batch(batch.images[part], batch.labels[part], batch.ids[part], targets=targets)
            parts.add(task.answering(net)(some.images), some)
    assert whole.numbers() == pytest.approx(parts.numbers(), rel=1e-5)
    assert set(whole.numbers()) == set(task.nothing())


@pytest.mark.parametrize("name", NAMES)
def test_every_choice_it_makes_is_a_setting_with_a_reason(name: str) -> None:
    recipe = compose({"data": "digits"})
    for setting, value, why in by_task(recipe, name, samples=500, side=32, channels=3):
        assert recipe.change(**{setting: value})
        assert why
    chain = next((value for setting, value, _ in by_task(recipe, name, samples=9, side=32, channels=1)
                  if setting == "augment"), ("none",))  # fmt: skip
    assert build_augment(chain)


def test_segmentation_takes_many_small_steps_by_the_rule_of_nets_with_norms() -> None:
    chosen = {name: value for name, value, _ in by_task(compose({"data": "x"}), "segment", samples=1200, side=64,
                                                        channels=3)}  # fmt: skip
    assert (chosen["batch_size"], chosen["optimizer"]) == (16, "muon-sphere")
    said = compose({"data": "x", "optimizer": "sgd"})
    assert "optimizer" not in {name for name, *_ in by_task(said, "segment", samples=1200, side=64, channels=3)}


@pytest.mark.parametrize("name", NO_LABELS)
def test_a_loss_of_labels_and_a_net_that_cannot_answer_are_refused(name: str) -> None:
    task = TASKS.get(name)
    with pytest.raises(UsageError, match="has no use for the loss 'hinge'"):
        task.check_loss("hinge")
    if task.asks:
        with pytest.raises(UsageError, match=f"the task {name} needs"):
            task.answering(create_model("mlp", num_classes=2, in_chans=1, img_size=8))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("segment", "digits"),
        ("reconstruct", "iris"),
        ("regress", "digits"),
        ("multilabel", "digits"),
        ("embed", "iris"),
        ("field", "digits"),
        ("sequence", "iris"),
    ],
)
def test_data_that_do_not_say_what_it_learns_are_refused(name: str, data: str) -> None:
    with pytest.raises(DataError, match=f"the task {name} needs"):
        TASKS.get(name).check_data(open_source(data))


def test_a_task_without_score_is_compared_by_its_loss() -> None:
    assert [name for name in NAMES if not TASKS.get(name).score] == ["regress", "reconstruct", "field"]
    assert np.isfinite(list(TASKS.get("reconstruct").nothing().values())).all()
