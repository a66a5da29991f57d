from __future__ import annotations

import html
import json
from html.parser import HTMLParser

import pytest
from django.template import Context, Template
from hypothesis import given
from hypothesis import strategies as st

from instant.exceptions import InvalidMessage
from instant.windows import signal_attribute


class Attributes(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[list[tuple[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.found.append(attrs)


def test_all_parts() -> None:
    text = '{% load instant %}<p{% js_call "a.b" on="change" form="form_data" value="title" id=pk %}>'
    page = Template(text).render(Context({"pk": 42}))
    assert page.startswith("<p data-df-signal='[{&quot;name")
    assert json.loads(html.unescape(page[len("<p data-df-signal='") : -2])) == [
        {"name": "a.b", "on": "change", "form": "form_data", "value": "title", "opts": {"id": 42}}
    ]
    assert signal_attribute("a.b") == " data-df-signal='[{&quot;name&quot;:&quot;a.b&quot;}]'"


@given(st.text(), st.text(), st.dictionaries(st.text(), st.text() | st.integers(-(2**53) + 1, 2**53 - 1), max_size=3))
def test_nothing_breaks_out(name: str, on: str, opts) -> None:
    (attributes,) = Attributes(f"<p{signal_attribute(name, on, opts=opts)}>").found
    ((key, value),) = attributes
    assert key == "data-df-signal"
    (found,) = json.loads(value)
    assert (found["name"], found.get("on", ""), found.get("opts", {})) == (name, on, opts)


def test_what_cannot_be_written() -> None:
    with pytest.raises(InvalidMessage):
        signal_attribute("a", opts={"x": object()})


def test_an_integer_that_a_browser_would_round_is_text() -> None:
    assert f"&quot;pk&quot;:&quot;{2**53}&quot;" in signal_attribute("a", opts={"pk": 2**53})
