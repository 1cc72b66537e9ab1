"""Figures have a style of their own, whatever the user's matplotlib is told."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl

import hubel
from hubel.figures.curves import curves
from hubel.figures.theme import canvas, finish, label
from hubel.report.drawings.vitals import SHOWN


def drawn() -> bytes:
    return curves({"training": [1.0, 0.5], "validation": [0.9, 0.7]}, title="Loss of class $5_2$").data


def test_nothing_of_the_user_s_own_style_shines_through() -> None:
    expected = drawn()
    theirs = {
        "text.usetex": True, "font.family": ["Nonexistent"], "savefig.bbox": "tight", "axes.formatter.use_locale": True,
        "axes.prop_cycle": mpl.cycler(color=["red"]), "lines.linestyle": ":",
    }  # fmt: skip
    with mpl.rc_context(theirs):
        assert drawn() == expected
        assert {key: mpl.rcParams[key] for key in theirs} == theirs, "and theirs is as it was"


def test_a_backend_that_does_not_exist_costs_no_figure() -> None:
    code = "from hubel.figures.curves import curves; print(curves({'a': [1.0, 2.0]}, title='t').kind)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "MPLBACKEND": "nonsense"}
    )
    assert (done.stdout.strip(), done.returncode) == ("svg", 0), done.stderr


def test_a_title_with_a_file_name_that_is_no_text_is_drawn() -> None:
    drawing = canvas(200, 100)
    drawing.suptitle("loss on caf\udce9/")
    figure = finish(drawing, caption="loss on caf\udce9/", alt="a loss")
    assert "loss on caf·/" in figure.data.decode()
    assert figure.caption == "loss on caf·/"


def test_titles_of_drawings_are_not_cut() -> None:
    cut = {"bars", "estimates", "cost_front", "many_curves", "curves"}
    titles = [title for _, title in SHOWN.values()]
    for path in Path(hubel.__file__).parent.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in cut:
                given = [each.value for each in call.keywords if each.arg == "title"]
                titles += [str(title.value) for title in given if isinstance(title, ast.Constant)]
    assert len(titles) > 15
    assert [title for title in titles if label(title) != title] == []
