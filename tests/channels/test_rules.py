"""Rules: which names a pattern has, which namespaces it needs, and what is wrong with one."""

from __future__ import annotations

import logging
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core import checks
from django.test import override_settings
from django.urls import converters, register_converter
from pytest_django import Settings

import instant
from instant import Message
from instant.centrifugo.config import render
from instant.channels import declared, rules
from instant.channels.namespaces import check_name
from instant.exceptions import InvalidChannel, InvalidSetting
from tests.rules import no_rules_left  # noqa: F401 - a fixture

UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")


class Even:
    """A converter of a site, which says no in Django's way, and breaks at 0."""

    regex = "[0-9]+"

    def to_python(self, value: str) -> int:
        if 1 % int(value) and int(value) % 2:
            raise ValueError
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


@pytest.fixture
def even() -> Any:
    register_converter(Even, "even")
    yield
    del converters.REGISTERED_CONVERTERS["even"]
    converters.get_converters.cache_clear()


def anybody(user: Any, **parts: Any) -> bool:
    return True


def nobody(user: Any, **parts: Any) -> bool:
    return False


def kwargs(name: str) -> dict[str, Any] | None:
    match = rules.find(name)
    return None if match is None else match.kwargs


def test_the_decorator_leaves_the_function_as_it_is() -> None:
    @instant.rule("$post:<int:pk>")
    def readers(user: Any, pk: int) -> bool:
        return pk == 1

    assert readers(None, 1) is True
    match = rules.find("$post:1")
    assert match is not None
    assert match.function is readers
    assert match.kwargs == {"pk": 1}
    assert "'$post:<int:pk>'" in match.name
    assert "test_the_decorator_leaves_the_function_as_it_is.<locals>.readers" in match.name
    assert f"{Path(__file__)}:" in match.name


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("$board", {"$board": {}, "board": None, "$board2": None, "$boar": None}),
        ("news-<int:pk>", {"news-5": {"pk": 5}, "$news-5": None, "news-": None, "news-5x": None, "xnews-5": None}),
        ("$post:<int:pk>", {"$post:1": {"pk": 1}, "$post:": None, "$post:a": None, "post:1": None, "$post:1/2": None}),
        ("$post:<pk>/x", {"$post:1/x": {"pk": "1"}, "$post:1/2/x": None, "$post:/x": None}),
        ("$tree:<path:at>", {"$tree:a/b": {"at": "a/b"}, "$tree:": None}),
        ("$of:<slug:a>.<slug:b>", {"$of:x-1.y": {"a": "x-1", "b": "y"}, "$of:x": None}),
        ("$job:<uuid:pk>", {f"$job:{UUID}": {"pk": UUID}, "$job:1": None}),
        ("$a.b*[c]:<int:n>", {"$a.b*[c]:1": None}),
    ],
)
def test_patterns_are_those_of_django_and_match_whole_names(pattern: str, names: dict[str, Any]) -> None:
    rules.add(pattern, anybody)
    assert {name: kwargs(name) for name in names} == names


def test_converters_of_the_site(caplog: pytest.LogCaptureFixture, even: None) -> None:
    rules.add("$page:<even:n>", anybody)
    assert kwargs("$page:4") == {"n": 4}
    assert kwargs("$page:5") is None
    assert caplog.text == ""
    assert kwargs("$page:0") is None
    assert "ZeroDivisionError" in caplog.text
    assert "'$page:<even:n>'" in caplog.text


def test_a_converter_may_be_registered_after_the_rule(request: pytest.FixtureRequest) -> None:
    rules.add("$late:<even:n>", anybody)
    assert kwargs("$late:4") is None
    assert rules.namespaces() == {"late"}
    request.getfixturevalue("even")
    assert kwargs("$late:4") == {"n": 4}
    assert list(rules.faults()) == []


def test_two_rules_of_one_name_are_none_and_both_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    rules.add("$post:<int:pk>", anybody, where="the first place")
    rules.add("$post:<slug:name>", nobody, where="the second place")
    assert kwargs("$post:x") == {"name": "x"}
    assert kwargs("$post:1") is None
    assert "'$post:1'" in caplog.text
    assert "the first place" in caplog.text
    assert "the second place" in caplog.text


def test_what_is_added_twice_is_one_and_what_is_removed_is_gone() -> None:
    rules.add("$post:<int:pk>", anybody)
    rules.add("$post:<int:pk>", anybody)
    assert kwargs("$post:1") == {"pk": 1}
    rules.remove("$post:<int:pk>")
    rules.remove("$post:<int:pk>")
    assert kwargs("$post:1") is None
    with pytest.raises(TypeError, match="must be a string"):
        instant.rule(anybody)(anybody)  # type: ignore[arg-type]


# Namespaces


def test_names_of_a_rules_namespace_are_good_and_rendered(settings: Settings) -> None:
    with pytest.raises(InvalidChannel, match="no namespace 'post'"):
        check_name("$post:1")
    rules.add("$post:<int:pk>", anybody)
    rules.add("news.x:<int:pk>", anybody)
    rules.add("$plain-<int:pk>", anybody)
    assert rules.namespaces() == {"post", "news.x"}
    assert check_name("$post:1") == check_name("$post:1")
    Message("$post:1", "Hello")
    rendered = {item["name"]: item for item in render()["channel"]["namespaces"]}
    assert set(rendered) == {"post", "news.x"}
    assert rendered["post"]["force_recovery"] is True
    settings.INSTANT_NAMESPACES = {"post": {"presence": True, "history_size": 0}, "chat": {}}
    rendered = {item["name"]: item for item in render()["channel"]["namespaces"]}
    assert set(rendered) == {"post", "news.x", "chat"}
    assert rendered["post"] == {"name": "post", "presence": True, "history_size": 0}
    rules.remove("$post:<int:pk>")
    rules.remove("news.x:<int:pk>")
    assert set(settings.INSTANT_NAMESPACES) == {item["name"] for item in render()["channel"]["namespaces"]}


def test_settings_may_declare_a_channel_of_a_rules_namespace(settings: Settings) -> None:
    settings.INSTANT_USERS_CHANNELS = [["$post:all"]]
    with pytest.raises(InvalidSetting):
        declared.declared()
    rules.add("$post:<int:pk>", anybody)
    assert [channel.name for channel in declared.declared()] == ["$post:all"]


# Checks


def found() -> list[checks.CheckMessage]:
    messages = checks.run_checks()
    return [message for message in messages if message.id in ("instant.E030", "instant.E031")]


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("$p:<int:pk>", "at least two"),
        ("$p q:<int:pk>", "at least two"),
        ("$ws:<int:pk>", "reserved for WebSocket handlers"),
        ("$<slug:kind>:<int:pk>", "plain text"),
        ("<slug:kind>:x", "plain text"),
        ("$a<slug:kind>:x", "plain text"),
        ("$user.<int:pk>", "reserved for personal channels"),
        ("post:$<int:pk>", "once, at the beginning"),
        ("$$post-<int:pk>", "once, at the beginning"),
        ("$größe-<int:pk>", "ASCII"),
        ("", "must not be empty"),
        ("$" + "x" * 255, "256 bytes"),
        ("$post:<nothing:pk>", "nothing"),
        ("$post:<int: pk>", "whitespace"),
        ("$post:<int:pk>-<int:pk>", "pk"),
        ("$post:<int:user>", "cannot have the name user"),
    ],
)
def test_a_pattern_that_cannot_be_is_reported_and_matches_nothing(pattern: str, text: str) -> None:
    rules.add(pattern, anybody, where="tests.somewhere")
    (message,) = found()
    assert message.id == "instant.E030"
    assert text in message.msg
    assert "tests.somewhere" in message.msg
    assert message.hint
    for name in (pattern, "$p:1", "$p q:1", "$ws:1", "$kind:1", "kind:x", "$ab:x", "$user.1", "$post:1", "$größe-1"):
        assert kwargs(name) is None
    assert rules.namespaces() <= {"post"}
    render()


@pytest.mark.parametrize("second", ["$post:<int:pk>", "$post:<int:number>"])
def test_equal_patterns_are_reported_with_both_places(second: str) -> None:
    rules.add("$post:<int:pk>", anybody)
    rules.add("$post:<slug:pk>", anybody)
    assert found() == []
    rules.add(second, nobody)
    (message,) = found()
    assert message.id == "instant.E031"
    assert "tests.channels.test_rules.anybody" in message.msg
    assert "tests.channels.test_rules.nobody" in message.msg
    assert message.msg.count(f"{Path(__file__)}:") == 2


def test_a_plain_name_counts_as_text() -> None:
    assert rules.rule("$name-<name>")(anybody) is anybody
    rules.add("$name-<str:x>", nobody)
    assert [message.id for message in found()] == ["instant.E031"]


def test_the_log_is_silent_of_good_rules(caplog: pytest.LogCaptureFixture) -> None:
    rules.add("$post:<int:pk>", anybody)
    with caplog.at_level(logging.DEBUG):
        rules.find("$post:1"), rules.find("$other")
    assert caplog.text == ""


def test_an_integer_of_presence_that_a_browser_would_round_is_text() -> None:
    claims = rules._claims({"info": {"pk": 2**60, "age": 5}})
    assert claims is not None
    assert claims["info"] == {"pk": str(2**60), "age": 5}


def test_the_module_of_each_app_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = tmp_path / "ruled_app"
    app.mkdir()
    (app / "__init__.py").touch()
    (app / "channels.py").write_text("from instant import rule\nrule('$ruled-app')(lambda user: True)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    apps = ["django.contrib.contenttypes", "django.contrib.auth", "instant", "ruled_app"]
    with override_settings(INSTALLED_APPS=apps):
        rules.autodiscover()
    assert rules.find("$ruled-app") is not None
    rules.remove("$ruled-app")
    for name in ("ruled_app", "ruled_app.channels"):
        del sys.modules[name]
