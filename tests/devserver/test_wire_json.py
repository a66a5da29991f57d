"""JSON in and out, and globs."""

from __future__ import annotations

import json

import pytest

from instant.devserver import wire_json
from instant.devserver.globs import OriginCheck, compile_glob


@pytest.mark.parametrize("text", ["", "{", "NaN", "[Infinity]", "1e999", "{} {}", "[" * 100_000])
def test_decode_refuses(text):
    with pytest.raises(wire_json.MalformedError):
        wire_json.decode(text)


@pytest.mark.parametrize("value", [None, "ü\n", "\ud800", 10**30, 1.5, {"a": [True]}])
def test_encode_keeps_values_on_one_line(value):
    text = wire_json.encode(value)
    assert (json.loads(text), "\n" in text) == (value, False)
    assert wire_json.frame(value).size == len(text.encode())


def test_zero_values_are_left_out_but_not_raw_ones():
    fields = wire_json.filled(offset=0, epoch="", recovered=False, publications=[], ttl=5)
    assert wire_json.with_raw(fields, data=None, info=wire_json.MISSING) == {"ttl": 5, "data": None}


def test_read_minds_types():
    assert wire_json.read({"a": None}, "a", "x") == "x"
    assert wire_json.read_object({}, "a") is None
    assert wire_json.read_object({"a": {}}, "a") == {}
    for value, default in ((True, 0), (1, False), (1, ""), ("x", 0), (1.5, 0)):
        with pytest.raises(wire_json.MalformedError):
            wire_json.read({"a": value}, "a", default)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("*", "a/b:c.d", True),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("[a-c]x", "bx", True),
        ("[!a-c]x", "bx", False),
        ("{one,two}:*", "two:2", True),
        ("{one,two}:*", "three:3", False),
        ("a,b", "a,b", True),
        (r"a\*b", "a*b", True),
        (r"a\*b", "axb", False),
        ("{a", "{a", True),
        ("a.c", "abc", False),
        ("a+(b", "a+(b", True),
    ],
)
def test_globs(pattern, text, matches):
    assert bool(compile_glob(pattern).fullmatch(text)) == matches


def test_a_bracket_must_close():
    with pytest.raises(ValueError, match="malformed"):
        compile_glob("[a")


def test_no_origin_is_allowed_where_none_is_named():
    check = OriginCheck([])
    assert (check.allows(""), check.allows("http://localhost")) == (True, False)
    assert OriginCheck(["*"]).allows("null")
