"""What a recipe leaves open is chosen from the data, and the choice says why."""

from __future__ import annotations

import pytest

from hubel.assembly.choices import Facts, check_loss, complete, usual_rate
from hubel.data.mirrors import Mirrors
from hubel.errors import UsageError
from hubel.recipes.chosen import Chosen
from hubel.recipes.schema import compose


@pytest.mark.parametrize(
    ("channels", "mirrors", "flipped", "reason"),
    [
        (3, Mirrors(600, 0.52, 140, 180), True, "mirror images"),
        (3, None, True, "mirror images"),
        (3, Mirrors(600, 0.95, 30, 2), False, "95% of 600 pictures are nearer to their class than to its mirror image"),
        (3, Mirrors(600, 0.95, 2, 90), True, "mirror images"),
        (1, None, False, "a mirrored digit or letter is another one"),
    ],
    ids=["seen both ways", "not asked", "strangers", "strangers that help", "grey"],
)
def test_pictures_are_mirrored_only_where_mirror_images_are_none_but_pictures(
    channels: int, mirrors: Mirrors | None, flipped: bool, reason: str
) -> None:
    facts = Facts(
        kind="images", task="classify", samples=600, classes=10, side=32, channels=channels, accelerator=False,
        mirrors=mirrors,
    )  # fmt: skip
    chosen = complete(Chosen(recipe=compose({"data": "letters"})), facts)
    recipe, reasons = chosen.recipe, chosen.reasons
    assert ("alternating-flip" in (recipe.augment.augment or ())) == flipped
    assert (recipe.augment.views == "mirror-shift") == flipped
    assert reason in reasons["augment"]


@pytest.mark.parametrize(
    ("channels", "given", "expected"),
    [
        (3, None, ("alternating-flip", "translate=2", "augmix")),
        (1, None, ("translate=2", "augmix=3:3:0")),
        (3, "none", ("augmix",)),
        (3, "flip,augmix=2", ("flip", "augmix=2")),
    ],
)
def test_robust_adds_what_hubel_robust_does_not_measure(
    channels: int, given: str | None, expected: tuple[str, ...]
) -> None:
    facts = Facts(
        kind="images", task="classify", samples=600, classes=10, side=32, channels=channels, accelerator=False
    )
    said = {"data": "letters", "robust": True} | ({} if given is None else {"augment": given})
    begun = Chosen(recipe=compose(said))
    chosen = complete(begun, facts)
    assert chosen.recipe.augment.augment == expected
    assert ("hubel robust" in chosen.reasons.get("augment", "")) == ("augmix=2" not in expected)
    assert complete(Chosen(recipe=chosen.recipe), facts).recipe.augment.augment == expected, "once only"


@pytest.mark.parametrize(
    "said", [{"robust": True}, {"img_size": 32}, {"fit": "crop"}, {"interpolation": "bicubic"}], ids=str
)
def test_what_varies_pictures_or_says_how_they_are_seen_is_for_pictures(said: dict[str, object]) -> None:
    facts = Facts(kind="points", task="classify", samples=600, classes=2, side=2, channels=1, accelerator=False)
    (name,) = said
    with pytest.raises(UsageError, match=rf"{name} is for pictures\n  leave --{name.replace('_', '-')} out"):
        complete(Chosen(recipe=compose({"data": "moons", **said})), facts)


@pytest.mark.parametrize(
    ("said", "accelerator", "expected"),
    [({}, False, 1000), ({"epochs": 4}, False, 250), ({"epochs": 4}, True, 1000),
     ({"epochs": 4, "batch_size": 500}, False, 500)],
)  # fmt: skip
def test_few_epochs_take_small_batches_so_that_there_are_steps_enough(
    said: dict[str, int], accelerator: bool, expected: int
) -> None:
    facts = Facts(
        kind="images", task="classify", samples=45_000, classes=10, side=32, channels=3, accelerator=accelerator
    )
    chosen = complete(Chosen(recipe=compose({"data": "cifar10", **said})), facts)
    assert chosen.recipe.train.batch_size == expected
    assert chosen.recipe.optimizer.lr == usual_rate("muon-sphere", expected)[0]
    told = "in 4 epochs batches of 1,000 make 180 steps: more, smaller ones learn more"
    assert (chosen.reasons.get("batch_size") == told) is (expected == 250)


@pytest.mark.parametrize(("model", "expected"), [("neural_process", 64), ("autoencoder", 1000)])
def test_a_net_that_learns_from_every_pixel_takes_many_small_steps(model: str, expected: int) -> None:
    facts = Facts(kind="images", task="reconstruct", samples=60_000, classes=10, side=28, channels=1, accelerator=False)
    chosen = complete(Chosen(recipe=compose({"data": "mnist", "model": model})), facts)
    assert chosen.recipe.train.batch_size == expected


@pytest.mark.parametrize(
    "settings",
    [{"sampler": "balanced"}, {"logit_adjustment": 1.0}, {"class_weights": "balanced"}],
    ids=lambda s: next(iter(s)),
)
def test_where_numbers_are_learnt_there_are_no_classes_to_even_out(settings: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="the target is a number, and"):
        check_loss(compose(settings), "regress")
