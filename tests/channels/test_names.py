"""The rules of names: what gets a `$`, where it stands, and what the server would refuse."""

from __future__ import annotations

from importlib import import_module
from urllib.parse import unquote

import pytest
from django.test import override_settings
from hypothesis import example, given
from hypothesis import strategies as st

from instant.channels.names import is_private, namespace_of, private_name, public_name, template_name
from instant.channels.namespaces import check_name
from instant.exceptions import InvalidChannel, InvalidMessage

#: Few letters, so that every place of `$` and `:` is tried.
NAMES = st.text("$:a1 ", max_size=8)


@pytest.mark.parametrize(
    ("name", "private"),
    [
        ("chan", "$chan"),
        ("$chan", "$chan"),
        ("ns:chan", "$ns:chan"),
        ("ns:$chan", "$ns:chan"),
        ("$ns:chan", "$ns:chan"),
        ("$ns:$chan", "$ns:chan"),
        ("$$chan", "$chan"),
        ("ns:$$chan", "$ns:chan"),
        ("a:b:c", "$a:b:c"),
        ("$a:b:c", "$a:b:c"),
        (":x", "$:x"),
        ("a$b", "$a$b"),
        ("chan$", "$chan$"),
    ],
)
def test_the_prefix_stands_once_and_at_the_very_front(name: str, private: str) -> None:
    assert private_name(name) == private
    assert public_name(name) == private[1:]


@given(NAMES)
@example("$$x")
@example("$$:$x")
def test_giving_and_taking_the_prefix_twice_is_as_once(name: str) -> None:
    assert private_name(private_name(name)) == private_name(name)
    assert public_name(public_name(name)) == public_name(name)
    assert public_name(private_name(name)) == public_name(name)
    assert private_name(public_name(name)) == private_name(name)
    assert is_private(private_name(name))
    assert not is_private(public_name(name))


@given(NAMES)
@override_settings(INSTANT_NAMESPACES={"a1": {}, "1a": {}, "aa": {}})
def test_a_name_that_passes_is_the_one_that_its_level_gives(name: str) -> None:
    try:
        assert check_name(name) == name
    except InvalidChannel:
        return
    assert name == (private_name(name) if is_private(name) else public_name(name))


@given(st.text(max_size=12))
def test_nothing_but_an_invalid_channel_is_raised(name: str) -> None:
    try:
        check_name(name)
    except InvalidChannel:
        return
    assert name.isascii()
    assert name.isprintable()


@given(NAMES)
def test_the_migration_names_rows_as_their_next_save_does(name: str) -> None:
    renamed = import_module("instant.migrations.0003_rename_private_channels").renamed
    assert renamed(name, "users") == private_name(name)
    if not name.startswith("$"):
        assert renamed(name, "public") == public_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "chan",
        "$chan",
        "ns:chan",
        "$ns:chan",
        "ns:",
        "ns:a:b",
        ":x",
        "a b",
        "a/b",
        "a$b",
        "x" * 255,
        "$" + "x" * 254,
        "~",
    ],
)
@override_settings(INSTANT_NAMESPACES={"ns": {}})
def test_names_that_clients_can_join(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "must not be empty"),
        (None, "not None"),
        (7, "not 7"),
        (b"chan", "string"),
        (["chan"], "string"),
        ("$", "needs a name after it"),
        ("$$", "needs a name after it"),
        ("$$chan", "once, at the beginning"),
        ("ns:$chan", "once, at the beginning"),
        ("$ns:$chan", "once, at the beginning"),
        ("ü", "printable ASCII"),
        ("a\nb", "printable ASCII"),
        ("a\0b", "printable ASCII"),
        ("a\x7f", "printable ASCII"),
        ("\ud800", "printable ASCII"),
        ("x" * 256, "256 bytes"),
        ("$" + "x" * 255, "256 bytes"),
        ("ws:x", "WebSocket handlers"),
        ("$ws:x", "WebSocket handlers"),
        ("other:x", "no namespace 'other'"),
        ("$other:x", "no namespace 'other'"),
        ("NS:x", "no namespace 'NS'"),
    ],
)
@override_settings(INSTANT_NAMESPACES={"ns": {}})
def test_names_that_nobody_could_join(name: object, reason: str) -> None:
    with pytest.raises(InvalidChannel, match=reason.replace("$", r"\$")) as caught:
        check_name(name)
    assert isinstance(caught.value, InvalidMessage)
    assert isinstance(caught.value, ValueError)


def test_a_long_name_is_not_repeated_in_whole() -> None:
    with pytest.raises(InvalidChannel) as caught:
        check_name("x" * 5000)
    assert len(str(caught.value)) < 200


def test_an_unknown_namespace_says_which_setting_makes_it_known() -> None:
    with pytest.raises(InvalidChannel, match=r'add it to INSTANT_NAMESPACES as \{"blog": \{\}\}'):
        check_name("blog:x")
    with override_settings(INSTANT_NAMESPACES={"blog": {}}):
        assert check_name("blog:x") == "blog:x"


@pytest.mark.parametrize(
    ("name", "namespace"),
    [("chan", ""), ("$chan", ""), ("ns:chan", "ns"), ("$ns:chan", "ns"), (":x", ""), ("a:b:c", "a"), ("$:x", "")],
)
def test_the_namespace_is_found_behind_the_prefix(name: str, namespace: str) -> None:
    assert namespace_of(name) == namespace


# files


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("$mychan", "$mychan"),
        ("my-chan_1.2~", "my-chan_1.2~"),
        ("ns:a/b", "ns%3Aa%2Fb"),
        ("$ns:chan", "$ns%3Achan"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("../x", "..%2Fx"),
        ("a\\b", "a%5Cb"),
        ("a b", "a%20b"),
        ("%2E", "%252E"),
    ],
)
def test_a_channel_has_a_file_name(name: str, file: str) -> None:
    assert template_name(name) == file


@given(st.text(st.sampled_from("$.:/\\%a~ 2E"), max_size=8))
def test_each_channel_has_a_file_of_its_own_and_no_other_directory(name: str) -> None:
    file = template_name(name)
    assert unquote(file) == name
    assert not set(file) & set("/\\:")
    assert file not in (".", "..")
