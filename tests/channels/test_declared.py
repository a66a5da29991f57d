"""Channels of the settings: their forms, the pages that join them, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import override_settings
from hypothesis import example, given
from hypothesis import strategies as st
from pytest_django import Settings

from instant.channels import declared as module
from instant.channels.declared import Declared, declared, default_channel, fault_of_paths, faults, find, is_joined_at
from instant.exceptions import InvalidSetting

SEED = {
    "INSTANT_SUPERUSER_CHANNELS": [["$mysite_admin1", ["/a/path", "/another/path"]], ["$mysite_admin2"]],
    "INSTANT_STAFF_CHANNELS": [["$mysite_staff1", ["/a/path"]], ["$mysite_staff2"]],
    "INSTANT_USERS_CHANNELS": [["$mysite_users1"]],
    "INSTANT_PUBLIC_CHANNELS": [["mysite_public1"], ["mysite_public2"]],
}

FORM = '[["$name"], ["$other", ["/a/path/", "/prefix/*"]]]'


def as_tuples(value: Any) -> Any:
    return tuple(map(as_tuples, value)) if isinstance(value, list) else value


def facts() -> list[tuple[str, str, tuple[str, ...]]]:
    return [(channel.name, channel.level, channel.paths) for channel in declared()]


# what is declared


def test_a_plain_site_declares_nothing() -> None:
    assert declared() == []
    assert faults() == ()
    assert default_channel() is None


@pytest.mark.parametrize("form", [lambda value: value, as_tuples], ids=["lists", "tuples"])
def test_the_example_of_version_0_1(form: Any) -> None:
    with override_settings(**{name: form(value) for name, value in SEED.items()}):
        assert facts() == [
            ("$mysite_admin1", "superuser", ("/a/path", "/another/path")),
            ("$mysite_admin2", "superuser", ()),
            ("$mysite_staff1", "staff", ("/a/path",)),
            ("$mysite_staff2", "staff", ()),
            ("$mysite_users1", "users", ()),
            ("mysite_public1", "public", ()),
            ("mysite_public2", "public", ()),
        ]
        assert faults() == ()
        assert find("$mysite_staff1") == Declared("$mysite_staff1", "staff", ("/a/path",), "INSTANT_STAFF_CHANNELS")
        assert find("mysite_staff1") is None
    assert find("$mysite_staff1") is None


def test_twice_at_one_level_is_one_channel_with_the_paths_of_both(settings: Settings) -> None:
    settings.INSTANT_USERS_CHANNELS = [["$a", ["/x/"]], ["$b", ["/x/"]], ["$a", ["/y/"]], ["$b"]]
    assert facts() == [("$a", "users", ("/x/", "/y/")), ("$b", "users", ())]
    settings.INSTANT_USERS_CHANNELS = [["$b"], ["$b", ["/x/"]]]
    assert facts() == [("$b", "users", ())]
    assert faults() == ()


def test_twice_at_two_levels_the_stricter_one_holds(settings: Settings) -> None:
    settings.INSTANT_USERS_CHANNELS = [["$a"]]
    settings.INSTANT_STAFF_CHANNELS = [["$a", ["/x/"]]]
    assert facts() == [("$a", "staff", ("/x/",))]
    (fault,) = faults()
    assert fault.check_id == "instant.E006"
    assert all(word in fault.text for word in ("INSTANT_STAFF_CHANNELS", "INSTANT_USERS_CHANNELS", "'$a'"))


@pytest.mark.parametrize(
    ("setting", "name", "text"),
    [
        ("INSTANT_SUPERUSER_CHANNELS", "ops", "must start with a $"),
        ("INSTANT_STAFF_CHANNELS", "a$b", "must start with a $"),
        ("INSTANT_USERS_CHANNELS", "users", "must start with a $"),
        ("INSTANT_PUBLIC_CHANNELS", "$news", "must have no $"),
    ],
)
def test_the_prefix_follows_the_level(setting: str, name: str, text: str) -> None:
    with override_settings(**{setting: [[name]]}):
        (fault,) = faults()
    assert fault.check_id == "instant.E005"
    assert all(word in fault.text for word in (setting, repr(name), text))


# forms


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("$a", "must be a list of channels"),
        ({"$a": []}, "must be a list of channels"),
        (None, "must be a list of channels"),
        (["$a"], "has '$a'; each channel must be a list"),
        (["$a", ["/x/"]], "has '$a'"),
        ([[]], "has []"),
        ([["$a", ["/x/"], 1]], "each channel must be a list"),
        ([["$a", "/x/"]], "paths must be a list of strings, not '/x/'"),
        ([["$a", None]], "not None"),
        ([["$a", ["x/"]]], "must start with a /"),
        ([["$a", [""]]], "must start with a /"),
        ([["$a", [1]]], "must start with a /"),
        pytest.param([["$a", ["/\0"]]], "must be printable text", id="NUL"),
        pytest.param([["$a", ["/\ud800/"]]], "must be printable text", id="surrogate"),
        ([["$a", ["/x*"]]], "a * only at its end"),
        ([["$a", ["/*/x/"]]], "a * only at its end"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("setting", SEED)
def test_a_wrong_form_names_the_setting_and_says_the_right_one(setting: str, value: Any, words: str) -> None:
    with override_settings(**{setting: value}):
        for ask in (declared, faults, lambda: find("$a")):
            with pytest.raises(InvalidSetting) as caught:
                ask()
            assert str(caught.value).startswith(setting)
            assert words in str(caught.value)
            assert FORM in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (1, "not 1"),
        (["$a"], "a string"),
        ("", "must not be empty"),
        ("$gone:a", "no namespace 'gone'"),
        pytest.param("$ü", "printable", id="umlaut"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("setting", SEED)
def test_a_name_that_nobody_could_join_names_the_setting(setting: str, name: Any, words: str) -> None:
    with override_settings(**{setting: [["$good"], [name]]}), pytest.raises(InvalidSetting) as caught:
        declared()
    assert str(caught.value).startswith(f"{setting}: channel" if isinstance(name, str) and name else setting)
    assert words in str(caught.value)


# read once a value


def test_the_settings_are_read_once_a_value(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Any] = []
    read = module._read
    monkeypatch.setattr(module, "_read", lambda values: reads.append(values) or read(values))
    settings.INSTANT_USERS_CHANNELS = value = [["$once", ["/x/"]]]
    for _ in range(3):
        assert facts() == [("$once", "users", ("/x/",))]
    assert len(reads) == 1
    value[0][1].append("/y/")  # a value is what it says, not which object it is
    assert facts() == [("$once", "users", ("/x/", "/y/"))]
    value.append(["$more"])
    assert [channel.name for channel in declared()] == ["$more", "$once"]
    assert len(reads) == 3


def test_who_gets_the_list_may_change_it(settings: Settings) -> None:
    settings.INSTANT_USERS_CHANNELS = [["$a"]]
    declared().clear()
    assert len(declared()) == 1


def test_a_namespace_that_comes_and_goes_is_seen(settings: Settings) -> None:
    settings.INSTANT_NAMESPACES = {"team": {}}
    settings.INSTANT_USERS_CHANNELS = [["$team:a"]]
    assert [channel.name for channel in declared()] == ["$team:a"]
    settings.INSTANT_NAMESPACES = {}
    with pytest.raises(InvalidSetting, match=r"INSTANT_USERS_CHANNELS.*no namespace 'team'"):
        declared()
    settings.INSTANT_NAMESPACES = {"team": {}}
    assert len(declared()) == 1


# the default channel


def test_the_default_channel_is_a_public_one(settings: Settings) -> None:
    settings.INSTANT_ENABLE_PUBLIC_CHANNEL = True
    settings.SITE_SLUG = "shop"
    assert default_channel() == "shop_public"
    assert facts() == [("shop_public", "public", ())]
    settings.INSTANT_PUBLIC_CHANNEL = "lobby"
    assert default_channel() == "lobby"
    settings.INSTANT_PUBLIC_CHANNELS = [["lobby", ["/x/"]]]
    assert facts() == [("lobby", "public", ())]
    settings.INSTANT_ENABLE_PUBLIC_CHANNEL = False
    assert default_channel() is None
    assert facts() == [("lobby", "public", ("/x/",))]


def test_the_default_channel_is_looked_at_like_the_others(settings: Settings) -> None:
    settings.INSTANT_ENABLE_PUBLIC_CHANNEL = True
    settings.INSTANT_PUBLIC_CHANNEL = "gone:lobby"
    with pytest.raises(InvalidSetting, match=r"INSTANT_PUBLIC_CHANNEL: .*no namespace"):
        declared()
    settings.INSTANT_PUBLIC_CHANNEL = "$lobby"
    settings.INSTANT_STAFF_CHANNELS = [["$lobby"]]
    assert [(fault.check_id, fault.text.split()[0]) for fault in faults()] == [
        ("instant.E005", "INSTANT_PUBLIC_CHANNEL"),
        ("instant.E006", "INSTANT_STAFF_CHANNELS"),
    ]
    assert facts() == [("$lobby", "staff", ())]


# paths


@pytest.mark.parametrize(
    ("paths", "path", "joined"),
    [
        ([], "/", True),
        ((), "", True),
        (["/a/"], "/a/", True),
        (["/a/"], "/a", False),
        (["/a"], "/a/", False),
        (["/a/"], "/a/b/", False),
        (["/a/"], "/A/", False),
        (["/a/"], "", False),
        (["/a/", "/b/"], "/b/", True),
        (["/a/*"], "/a/", True),
        (["/a/*"], "/a/b", True),
        (["/a/*"], "/a/b/c/", True),
        (["/a/*"], "/a", False),
        (["/a/*"], "/ab/", False),
        (["/a/*"], "/x/a/b/", False),
        (["/a/*"], "/a/*", True),
        (["/*"], "/", True),
        (["/*"], "/anything/at/all", True),
        (["/größe/"], "/größe/", True),
        (["/a.c/"], "/abc/", False),
        (["/[ab]/"], "/a/", False),
        (["/a?/"], "/ab/", False),
    ],
)
def test_the_pages_that_join(paths: list[str], path: str, joined: bool) -> None:
    assert is_joined_at(paths, path) is joined
    assert is_joined_at(iter(paths), path) is joined


#: Few letters, so that paths meet patterns.
PATHS = st.text("/ab.*", max_size=6).map(lambda rest: f"/{rest}")


@given(st.lists(PATHS, max_size=4), PATHS)
@example(["/a/*"], "/a/")
@example(["//*"], "//")
def test_a_page_joins_where_one_pattern_says_so(patterns: list[str], path: str) -> None:
    patterns = [pattern for pattern in patterns if fault_of_paths([pattern]) is None]
    parts = path.split("/")
    said = not patterns
    for pattern in patterns:
        *folders, last = pattern.split("/")
        said = (
            said or path == pattern or (last == "*" and len(parts) > len(folders) and parts[: len(folders)] == folders)
        )
    assert is_joined_at(patterns, path) is said


@given(PATHS, PATHS)
def test_everything_below_a_prefix_joins_and_nothing_else(prefix: str, path: str) -> None:
    pattern = prefix.replace("*", "").rstrip("/") + "/"
    assert fault_of_paths([pattern + "*"]) is None
    assert is_joined_at([pattern + "*"], path) is path.startswith(pattern)
    assert is_joined_at([pattern + "*"], pattern + path)


@given(st.one_of(st.none(), st.integers(), st.text(), st.lists(st.one_of(st.text("/*a", max_size=4), st.none()))))
def test_paths_that_pass_are_texts_from_the_root(paths: Any) -> None:
    fault = fault_of_paths(paths)
    good = isinstance(paths, list) and all(
        isinstance(path, str) and path.startswith("/") and (path.count("*") == 0 or path.index("*") == len(path) - 1)
        for path in paths
    )
    if fault is None:
        assert good
    elif good:  # a * behind another letter
        assert any(path.endswith("*") and not path.endswith("/*") for path in paths)


def test_the_setting_of_a_merged_channel_is_named() -> None:
    values = {"INSTANT_SUPERUSER_CHANNELS": [["$a", ["/x/"]], ["$a", ["/y/"]]], "INSTANT_USERS_CHANNELS": [["$a"]]}
    with override_settings(**values):
        (fault,) = faults()
    assert fault.text == (
        "INSTANT_SUPERUSER_CHANNELS and INSTANT_USERS_CHANNELS both declare '$a'; the second one is ignored."
    )
