"""What ships for the tests of sites: capture_published(), the fixture `published` and live_server()."""

from __future__ import annotations

import unittest
from contextlib import suppress
from typing import Any

import django.test
import pytest
from django.db import transaction
from pytest_django import Settings

from instant import apublish, publish
from instant import testing as package
from instant.backends import get_backend
from instant.conf import conf
from instant.testing import Published, capture_published


def texts(published: Published) -> list[str | None]:
    return [item.message for item in published]


def later(text: str) -> None:
    publish("c", text, on_commit=True)


def rolled_back(text: str) -> None:
    with suppress(ZeroDivisionError), transaction.atomic():
        later(text)
        raise ZeroDivisionError


class InACase:
    """The promises that hold in every kind of test with a database."""

    def test_on_commit_work_is_there_when_it_is_looked_at(self) -> None:
        with capture_published() as published:
            later("1")
            assert texts(published) == ["1"]
            later("2")
        assert texts(published) == ["1", "2"]

    def test_an_inner_atomic_counts_once_it_has_ended(self) -> None:
        with capture_published() as published:
            with transaction.atomic():
                later("1")
                assert texts(published) == []
            assert texts(published) == ["1"]

    def test_an_inner_atomic_without_a_savepoint(self) -> None:
        with capture_published() as published:
            with transaction.atomic(savepoint=False):
                later("1")
                assert texts(published) == []
            assert texts(published) == ["1"]

    def test_what_was_rolled_back_is_never_sent(self) -> None:
        with capture_published() as published:
            later("1")
            rolled_back("2")
            with transaction.atomic():
                later("3")
                rolled_back("4")
        assert texts(published) == ["1", "3"]

    def test_work_that_makes_work(self) -> None:
        with capture_published() as published:
            transaction.on_commit(lambda: later("2"))
            later("1")
        assert sorted(text or "" for text in texts(published)) == ["1", "2"]

    def test_robust_work_that_fails_keeps_nothing_back(self) -> None:
        with capture_published() as published:
            transaction.on_commit(lambda: 1 / 0, robust=True)
            later("1")
        assert texts(published) == ["1"]

    def test_nothing_is_sent_twice(self) -> None:
        with capture_published() as outer:
            later("1")
            with capture_published() as inner:
                later("2")
        assert texts(inner) == ["2"]
        assert sorted(text or "" for text in texts(outer)) == ["1", "2"]
        with capture_published() as after:
            pass
        assert texts(after) == []


class TestInDjangosTestCase(InACase, django.test.TestCase):
    def test_work_from_before_the_block_is_not_ours(self) -> None:
        later("before")
        with capture_published() as published:
            later("1")
            assert texts(published) == ["1"]

    def test_looking_at_the_outer_one_hides_nothing_from_the_inner_one(self) -> None:
        with capture_published() as outer:
            later("1")
            with capture_published() as inner:
                assert texts(outer) == ["1"]
                later("2")
                assert "2" in texts(inner)
        assert texts(outer) == ["1", "2"]

    def test_inside_djangos_own_capture(self) -> None:
        with capture_published() as published, self.captureOnCommitCallbacks(execute=True):
            later("1")
        assert texts(published) == ["1"]

    def test_a_block_that_fails_runs_nothing(self) -> None:
        with suppress(ZeroDivisionError), capture_published() as published:
            later("1")
            raise ZeroDivisionError
        assert texts(published) == []

    def test_failing_work_fails_the_test(self) -> None:
        with pytest.raises(ZeroDivisionError), capture_published():
            transaction.on_commit(lambda: 1 / 0)


class TestInATransactionTestCase(InACase, django.test.TransactionTestCase):
    def test_a_real_commit_sends(self) -> None:
        with capture_published() as published:
            with transaction.atomic():
                later("1")
                assert texts(published) == []
            assert texts(published) == ["1"]


@pytest.mark.django_db
class TestWithTheMark(InACase):
    def test_the_fixture(self, published: Published) -> None:
        later("1")
        rolled_back("2")
        published.assert_published("c", message="1")
        assert len(published) == 1


@pytest.mark.django_db(transaction=True)
class TestWithTheTransactionalMark(InACase):
    def test_the_fixture(self, published: Published) -> None:
        later("1")
        rolled_back("2")
        assert texts(published) == ["1"]


def test_the_fixture_needs_no_database(published: Published) -> None:
    publish("c", "1")
    assert texts(published) == ["1"]


def test_the_fixture_with_the_database_fixture(published: Published, db: None) -> None:
    later("1")
    assert texts(published) == ["1"]


async def test_async_messages_are_captured(published: Published) -> None:
    await apublish("c", "1")
    assert texts(published) == ["1"]


class TestSettingsStayWhole:
    """pytest-django's `settings`, asked for before ours and changed after, must not keep ours for the next test."""

    def test_change(self, settings: Settings, published: Published) -> None:
        settings.SITE_NAME = "Other"
        publish("c", "1")
        assert published[0].site == "Other"

    def test_nothing_stays(self) -> None:
        assert conf.SITE_NAME == "Site"
        assert conf.INSTANT_BROADCAST_WITH == "python"
        assert get_backend().name == "python"


# what is in the list


def test_nothing_goes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("instant.centrifugo.http.post", None)
    with capture_published() as published:
        publish("c", "1")
    assert len(published) == 1
    assert get_backend().name == "python"


def test_it_is_a_list_of_messages() -> None:
    with capture_published() as published:
        assert not published
        for text in "abc":
            publish("c", text)
        assert [item.message for item in published[1:]] == ["b", "c"]
        assert published[-1].message == "c"
        assert published[0] in published
    publish_after = len(published)
    assert publish_after == 3


def test_one_channel_alone() -> None:
    with capture_published("$users") as published:
        publish("other", "no")
        publish("$users", "yes")
    assert texts(published) == ["yes"]


def test_an_outer_block_holds_what_an_inner_one_does() -> None:
    with capture_published() as outer:
        publish("c", "1")
        with capture_published("d") as inner:
            publish("c", "2")
            publish("d", "3")
            assert texts(outer) == ["1", "2", "3"]
        publish("c", "4")
    assert texts(inner) == ["3"]
    assert texts(outer) == ["1", "2", "3", "4"]


def test_what_comes_after_is_not_in_it() -> None:
    with capture_published() as outer:
        with capture_published() as inner:
            publish("c", "1")
        publish("c", "2")
        assert texts(inner) == ["1"]
    assert texts(outer) == ["1", "2"]


def test_assert_published_gives_the_message() -> None:
    with capture_published() as published:
        publish("c", "1", data={"n": 1}, event_class="info", bucket="b")
        publish("c", "2", data={"n": 2})
    assert published.assert_published("c").message == "1"
    assert published.assert_published("c", data={"n": 2}).message == "2"
    assert published.assert_published("c", message="1", data={"n": 1}, event_class="info", bucket="b")
    assert published.assert_published("c", event_class=None).message == "2"


@pytest.mark.parametrize(
    "wanted",
    [{"message": "no"}, {"data": None}, {"event_class": "x"}, {"bucket": "x"}, {"message": "1", "data": {"n": 2}}],
    ids=repr,
)
def test_assert_published_fails_and_shows_what_was_sent(wanted: dict[str, Any]) -> None:
    with capture_published() as published:
        publish("c", "1", data={"n": 1})
        publish("$other", "2")
    with pytest.raises(AssertionError) as caught:
        published.assert_published("c", **wanted)
    name, value = next(iter(wanted.items()))
    for part in (f"No message like ('c', {name}={value!r}", "c: {", '"message":"1","data":{"n":1}', "$other: {"):
        assert part in str(caught.value)


def test_assert_published_with_nothing_sent() -> None:
    with capture_published() as published, pytest.raises(AssertionError, match="Nothing was published"):
        published.assert_published("c")


def test_assert_nothing_published() -> None:
    with capture_published() as published:
        published.assert_nothing_published()
        publish("c", "1")
        published.assert_nothing_published("d")
        with pytest.raises(AssertionError, match="Something was published to 'c'"):
            published.assert_nothing_published("c")
        with pytest.raises(AssertionError, match='"message":"1"'):
            published.assert_nothing_published()


def test_a_captured_message_was_checked_as_a_sent_one() -> None:
    with capture_published(), pytest.raises(ValueError, match="JSON"):
        publish("c", data=float("nan"))


def test_the_package_has_its_names_and_no_other() -> None:
    assert all(hasattr(package, name) for name in package.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = package.nothing  # type: ignore[attr-defined]


class TestPlainUnittest(unittest.TestCase):
    def test_it_needs_neither_pytest_nor_a_database(self) -> None:
        with capture_published() as published:
            publish("c", "1")
        assert texts(published) == ["1"]
