"""manage.py check --database default, and rows of the admin whose name the settings have at another level."""

from __future__ import annotations

import pytest
from django.core import checks
from django.core.checks import CheckMessage
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from instant.models import Channel

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def declared_ones(settings: Settings) -> None:
    settings.INSTANT_STAFF_CHANNELS = [["$desk", ["/desk/"]], ["$other"]]


def found(*databases: str) -> list[CheckMessage]:
    messages = checks.run_checks(databases=list(databases))
    return [message for message in messages if (message.id or "").startswith("instant.")]


def test_a_row_of_another_level_is_reported_with_both_places() -> None:
    Channel.objects.create(name="desk", level="users")
    (message,) = found("default")
    assert (message.id, message.level) == ("instant.W009", checks.WARNING)
    assert all(word in message.msg for word in ("INSTANT_STAFF_CHANNELS", "'$desk'", "admin", "'users'"))
    assert message.hint


def test_rows_of_the_same_level_and_of_other_names_are_no_news() -> None:
    Channel.objects.create(name="desk", level="staff")
    Channel.objects.create(name="desk", level="public")  # without its $, another name
    Channel.objects.create(name="third", level="users")
    Channel.objects.create(name="other", level="users", is_active=False)
    assert found("default") == []


def test_nothing_is_asked_without_the_database(settings: Settings) -> None:
    Channel.objects.create(name="desk", level="users")
    with CaptureQueriesContext(connection) as queries:
        assert found() == []
    assert len(queries) == 0
    settings.INSTANT_STAFF_CHANNELS = []
    assert found("default") == []


def test_wrong_settings_are_reported_once(settings: Settings) -> None:
    settings.INSTANT_STAFF_CHANNELS = ["$desk"]
    assert [message.id for message in found("default")] == ["instant.E001"]


# the form says it first


@pytest.mark.parametrize("level", ["users", "groups", "superuser"])
@pytest.mark.parametrize("name", ["desk", "$desk"])
def test_the_form_refuses_another_level(name: str, level: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Channel(name=name, level=level).full_clean()
    (text,) = caught.value.message_dict["level"]
    assert "INSTANT_STAFF_CHANNELS" in text
    assert "$desk" in text


def test_the_form_takes_what_the_settings_have_and_what_is_switched_off() -> None:
    Channel(name="desk", level="staff", paths=["/x/"]).full_clean()
    Channel(name="desk", level="public").full_clean()
    Channel(name="desk", level="users", is_active=False).full_clean()  # else it could not be switched off there
