"""The pictures of docs/architecture.md are drawn from their texts, and name files and functions that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.structure.figures import definitions
from tests.structure.pictures import DIRECTORY, InvalidPicture, Step, parse, render, steps

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.stem for path in DIRECTORY.glob("*.txt"))
OUR_STEPS = [(name, step) for name in NAMES for step in steps(name) if step.file]


@pytest.mark.parametrize("name", NAMES)
def test_the_picture_is_that_of_its_text(name: str) -> None:
    source = (DIRECTORY / f"{name}.txt").read_text(encoding="utf-8")
    drawn = (DIRECTORY / f"{name}.svg").read_text(encoding="utf-8")
    assert drawn == render(source), f"{name}.svg is not what {name}.txt says: run python -m tests.structure.pictures"


@pytest.mark.parametrize(("name", "step"), OUR_STEPS, ids=[f"{name}-{step.number}" for name, step in OUR_STEPS])
def test_each_step_names_a_function_that_exists(name: str, step: Step) -> None:
    path = ROOT / step.file
    assert path.is_file(), f"step {step.number} of {name}.txt: there is no file {step.file}"
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        found = step.function in {function for function, _ in definitions(ast.parse(text))}
    else:
        found = all(re.search(rf"\b{re.escape(part)}\b", text) for part in step.function.split("."))
    assert found, f"step {step.number} of {name}.txt: {step.file} has no {step.function}"


_TEXT = """
# a comment
title: A & B
lane: Browser | Django
step: Browser: frontend/src/a.ts: call: asks: now
arrow: POST /x/
step: Django: a/long/path/to/a/file/that/does/not/fit/into/one/line/of/a/card.py: Class.method: answers <once>
note: A note.
step: Browser: shows the answer
"""


def test_steps_are_read() -> None:
    browser, django, last = parse(_TEXT).steps
    assert browser == Step(1, "Browser", "frontend/src/a.ts", "call", "asks: now")
    assert (django.number, django.lane, django.function, django.arrow) == (2, "Django", "Class.method", "POST /x/")
    assert last == Step(3, "Browser", "", "", "shows the answer")


def test_a_picture_is_well_formed_and_holds_every_text() -> None:
    root = ElementTree.fromstring(render(_TEXT))  # of our own making
    texts = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    for text in ("A & B", "Browser", "Django", "call()", "asks: now", "answers <once>", "POST /x/", "A note."):
        assert text in texts
    assert [text for text in texts if text.isdigit()] == ["2", "3", "1", "2", "3"]
    assert "a/long/path/to/a/file/that/does/not/fit/into/one/line/of/a/card.py" in "".join(texts)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("step: Server: does it", "no lane 'Server'; the lanes are Browser, Django"),
        ("steps: Django: does it", "is not a title, lane, step, arrow or note"),
        (f"arrow: {'long ' * 40}\nstep: Django: does it", "is longer than a lane is wide"),
    ],
)
def test_a_line_that_cannot_be_read_is_reported(line: str, fault: str) -> None:
    with pytest.raises(InvalidPicture, match=re.escape(fault)):
        render(_TEXT + line)
