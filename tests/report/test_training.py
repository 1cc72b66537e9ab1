"""The page of a run: complete, escaped, self-contained, and sound as HTML."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import ClassVar

import numpy as np
import pytest

from hubel.evaluation import assess, assess_regression
from hubel.report.pages.training import LayerRow, Problem, TrainingReport, figures, render
from hubel.types import Predictions

EVIL = "<img src=x onerror=alert(1)>\"&'</script><script>alert(2)</script>"


def report(K: int = 4, **changes: object) -> TrainingReport:
    random = np.random.default_rng(K)
    labels = np.arange(40 * K) % K
    logits = random.normal(size=(40 * K, K)) + 3 * np.eye(K)[labels]
    names = [f"class {k}" for k in range(K)]
    evaluation = assess(
        Predictions(logits, labels, np.arange(40 * K)), names, paths=[f"photos/{i}.jpg" for i in range(40 * K)]
    )
    pictures = random.integers(0, 256, (6, 3, 12, 12), dtype=np.uint8)
    full = TrainingReport(
        title="photos-1",
        class_names=names,
        evaluation=evaluation,
        history=[
            {
                "epoch": e,
                "train_loss": 1 / e,
                "val_loss": 1.1 / e,
                "train_accuracy": 1 - 1 / e,
                "val_accuracy": 0.9,
                "lr": 1e-4,
            }
            for e in range(1, 9)
        ],
        best_epoch=8,
        stopped="Training ended after 8 epochs, as asked.",
        recipe={"optimizer": {"lr": 0.05, "ema": None}, "augment": {"augment": ("flip", "crop")}},
        reasons={"lr": "the default for this net"},
        command="hubel train photos/ --epochs 8",
        environment={"python": "3.11"},
        timing={"training": 75.0},
        data={"source": "photos/"},
        splits={"train": 300, "validation": 30, "test": 40 * K},
        class_counts={"train": [9] * K, "test": [40] * K},
        problems=[Problem("photos/broken.jpg", "truncated")],
        contact_sheet=list(pictures),
        mistake_images={m.id: pictures[0] for m in evaluation.mistakes},
        model="resnet20",
        layers=[LayerRow("stem", "Conv2d", (16, 32, 32), 432), LayerRow("head", "Linear", (K,), 650)],
    )
    return replace(full, **changes)  # type: ignore[arg-type]


class Page(HTMLParser):
    """What a browser would build: elements, text, and whether every tag is closed where it should be."""

    VOID: ClassVar = {"meta", "img", "br", "hr", "input", "link"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        (self.scripts if self.open and self.open[-1] == "script" else self.words).append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render(report()))


def test_everything_a_reader_asks_for_is_there(page: Page) -> None:
    for words in (
        "photos-1", "samples correctly", "How it learned", "The weights of epoch 8 were kept", "What it gets wrong",
        "Most often confused", "Are its probabilities honest?", "Class by class", "Worst mistakes", "The data",
        "300 for train", "photos/broken.jpg", "truncated", "left out", "The net: resnet20", "1,082 parameters",
        "16×32×32", "The recipe", "the default for this net", "flip, crop", "Do it again",
        "hubel train photos/ --epochs 8", "training 1 min 15 s", "3.11",
    ):  # fmt: skip
        assert words in page.text, words


def test_what_was_put_off_for_a_reason_is_in_the_recipe_and_what_is_off_is_not() -> None:
    page = Page(
        render(
            report(
                recipe={"transfer": {"from": None, "head": None}, "distillation": {"teacher": None}},
                reasons={"from": "a small net of its own soon tells these pictures apart better"},
            )
        )
    )
    assert "from none a small net of its own soon tells these pictures apart better" in page.text
    assert "head none" not in page.text
    assert "distillation" not in page.text


def test_the_result_comes_first_as_a_sentence(page: Page) -> None:
    assert page.text.index("samples correctly") < page.text.index("How it learned")


def test_the_page_needs_nothing_from_outside(page: Page) -> None:
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "embed", "form", "base")
        for name in ("src", "href", "xlink:href", "srcset", "action", "poster"):
            assert attributes.get(name, "#").startswith(("#", "data:image/")), (tag, attributes)
    text = render(report())
    assert not re.findall(r"@import|url\((?!#)", text)
    assert {address.split("/")[2] for address in re.findall(r"https?://[^\"\s<]+", text)} <= {"www.w3.org"}


def test_the_policy_allows_our_script_and_no_other(page: Page) -> None:
    (policy,) = [a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    (script,) = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert policy.count("unsafe") == 1
    assert "style-src 'unsafe-inline'" in policy


def test_no_name_can_become_markup() -> None:
    safe, names = report(), [EVIL, "$x^2$", "ünï 猫", "d"]
    assert safe.evaluation is not None
    evaluation = assess(
        Predictions(np.roll(np.eye(4), 1, axis=1), np.arange(4), np.arange(4)), names, paths=[EVIL] * 4, split=EVIL
    )
    evil = Page(
        render(
            report(
                title=EVIL, class_names=names, evaluation=evaluation, stopped=EVIL, model=EVIL, command=EVIL,
                recipe={EVIL: {EVIL: EVIL}}, reasons={EVIL: EVIL}, environment={EVIL: EVIL}, data={EVIL: EVIL},
                splits={EVIL: 3}, class_counts={EVIL: [1] * 4}, problems=[Problem(EVIL, EVIL, EVIL)],
                timing={EVIL: 1.0}, layers=[LayerRow(EVIL, EVIL, (1,), 1)], contact_labels=[0] * 6,
                contact_caption=EVIL, mistake_images={0: safe.contact_sheet[0]},
            )
        )
    )  # fmt: skip
    assert [tag for tag, _ in evil.elements].count("script") == 1
    assert not [a for tag, a in evil.elements if any(key.startswith("on") for key in a)]
    assert all(a["src"].startswith("data:image/") for tag, a in evil.elements if tag == "img")
    assert EVIL in "".join(evil.words)


def test_a_file_name_that_is_no_text_does_not_stop_the_page() -> None:
    text = render(report(problems=[Problem("photos/\udcff.jpg", "no image")], class_names=["\udcff"] * 4))
    assert text.encode("utf-8")


def test_identifiers_are_unique_and_every_link_arrives(page: Page) -> None:
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    links = [a["href"] for tag, a in page.elements if tag == "a"]
    assert len(links) >= 8
    assert {link.removeprefix("#") for link in links} <= set(ids)


def test_every_drawing_and_picture_has_words_for_who_cannot_see_it(page: Page) -> None:
    assert all(a["alt"] for tag, a in page.elements if tag == "img")
    assert all(a["role"] == "img" and a["aria-label"] for tag, a in page.elements if tag == "svg")


def test_what_is_not_known_is_left_out() -> None:
    empty = Page(render(TrainingReport(title="bare")))
    assert "h2" not in [tag for tag, _ in empty.elements]
    assert "None" not in empty.text
    assert "nan" not in empty.text


def test_an_evaluation_alone_makes_a_page() -> None:
    full = report()
    text = Page(render(TrainingReport(title="t", evaluation=full.evaluation, class_names=full.class_names))).text
    assert "Worst mistakes" in text
    assert "How it learned" not in text


def test_a_perfect_result_says_so() -> None:
    perfect = assess(Predictions(np.eye(3), np.arange(3), np.arange(3)), ["a", "b", "c"])
    text = Page(render(TrainingReport(title="t", evaluation=perfect, class_names=["a", "b", "c"]))).text
    assert "not one of the test samples is named wrongly" in text
    assert "Worst mistakes" not in text


def test_regression_gets_its_own_numbers_and_drawing() -> None:
    targets = np.linspace(0, 9, 50)
    evaluation = assess_regression(Predictions(targets + 0.3, targets, np.arange(50)))
    made = TrainingReport(title="t", evaluation=evaluation, history=[{"train_loss": 1.0}, {"train_loss": 0.5}])
    assert list(figures(made)) == ["loss", "scatter"]
    text = Page(render(made)).text
    assert "off by 0.3 on average" in text
    assert "root mean square" in text


@pytest.mark.parametrize("K", [2, 30, 100])
def test_the_page_stays_small_and_whole_with_any_number_of_classes(K: int) -> None:
    text = render(report(K))
    assert len(text) < 400_000
    rows = [a for tag, a in Page(text).elements if tag == "td" and "data-value" in a]
    assert len(rows) == K * 5


def test_drawings_can_be_made_once_and_used_twice() -> None:
    made = report()
    drawings = figures(made)
    assert list(drawings) == ["loss", "accuracy", "lr", "confusion", "reliability"]
    assert render(made, drawings) == render(made)


def test_a_class_that_was_never_predicted_sorts_last_and_shows_a_dash() -> None:
    logits = np.array([[3.0, 0, 0], [3.0, 0, 0], [0, 3.0, 0]])
    evaluation = assess(Predictions(logits, np.array([0, 2, 1]), np.arange(3)), ["a", "b", "never"])
    page = Page(render(TrainingReport(title="t", evaluation=evaluation, class_names=["a", "b", "never"])))
    assert "never – 0.0 % 0.0 %" in page.text
    assert "-1.0" in [a.get("data-value") for _, a in page.elements]


def test_a_fitted_head_is_told_by_its_penalties_and_no_verdict_is_made_of_them() -> None:
    """Falling penalties over-fit in the end, which is why they are tried in turn; nobody should "stop earlier"."""
    walk = [1.0, 0.3, 0.1, 0.03, 0.01, 0.003]
    rows = [
        {"epoch": k + 1, "train_loss": 1 / (k + 1), "val_loss": 0.5 + 0.3 * abs(k - 2), "penalty": penalty}
        for k, penalty in enumerate(walk)
    ]
    text = render(report(history=rows, best_epoch=3, stopped=""))
    assert "by heart" not in text
    assert "earlier" not in text
    assert "The head with penalty 0.1 was kept" in text
    assert "6 penalties" in text
    assert "penalty tried, from strong to weak" in text
    assert "epoch" not in text.partition("<main")[2].partition('id="errors"')[0]
    in_epochs = render(report(history=[{k: v for k, v in row.items() if k != "penalty"} for row in rows], best_epoch=3))
    assert "by heart" in in_epochs
