"""The errors: their family, their story, and that they survive a pickle, as in a Celery worker."""

from __future__ import annotations

import copy
import pickle

import pytest
from django.core.exceptions import ImproperlyConfigured

from instant import exceptions
from instant.exceptions import (
    InstantError,
    InvalidMessage,
    InvalidSetting,
    PublishError,
    PublishManyError,
    Rejected,
    ServerError,
    TooLarge,
    Unreachable,
)

ABOUT = {"channel": "$users", "backend": "python"}


def rejected() -> Rejected:
    return Rejected("102 unknown channel", **ABOUT, retryable=False, code=102)


def errors() -> list[InstantError]:
    unreachable = Unreachable("refused", **ABOUT, retryable=True)
    return [
        PublishError("no", **ABOUT, retryable=False),
        unreachable,
        rejected(),
        PublishManyError([(1, unreachable), (3, rejected())], [0, 2], backend="python"),
        ServerError("108 not available", code=108, retryable=False),
        TooLarge("1000000 bytes"),
        InvalidSetting("CENTRIFUGO_PORT is 'x'"),
    ]


def family() -> list[type[InstantError]]:
    found = [value for value in vars(exceptions).values() if isinstance(value, type)]
    return [value for value in found if issubclass(value, InstantError)]


@pytest.mark.parametrize("error", errors(), ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_an_error_survives_a_pickle(error: InstantError, protocol: int) -> None:
    again = pickle.loads(pickle.dumps(error, protocol))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert {key: str(value) for key, value in vars(again).items()} == {
        key: str(value) for key, value in vars(error).items()
    }


@pytest.mark.parametrize("error", errors(), ids=lambda error: type(error).__name__)
def test_an_error_is_made_again_of_its_args(error: InstantError) -> None:
    """Celery's JSON result backends keep the class and `args`, and call `cls(*args)`."""
    assert str(type(error)(*error.args)) == str(error)
    assert str(copy.copy(error)) == str(error)


def test_many_keep_their_parts_in_a_pickle() -> None:
    again = pickle.loads(pickle.dumps(errors()[3]))
    assert [(index, type(error)) for index, error in again.failed] == [(1, Unreachable), (3, Rejected)]
    assert again.failed[1][1].code == 102
    assert again.sent == [0, 2]


def test_a_publish_error_says_what_happened() -> None:
    error = rejected()
    assert str(error) == (
        "publish to '$users' with the python backend failed: 102 unknown channel (a retry will not help)"
    )
    assert "a retry may help" in str(Unreachable("refused", **ABOUT, retryable=True))
    assert (error.channel, error.backend, error.retryable, error.code) == ("$users", "python", False, 102)


def test_many_count_and_show_the_first() -> None:
    error = errors()[3]
    assert isinstance(error, PublishManyError)
    assert "2 of 4 messages failed, the first one: refused" in str(error)
    assert error.retryable  # one of them is
    assert error.channel == "$users"


def test_the_family() -> None:
    assert issubclass(InvalidMessage, ValueError)
    assert issubclass(InvalidSetting, ImproperlyConfigured)
    for kind in (Unreachable, Rejected, PublishManyError):
        assert issubclass(kind, PublishError)


@pytest.mark.parametrize("kind", family(), ids=lambda kind: kind.__name__)
def test_the_tree_is_drawn_whole(kind: type[InstantError]) -> None:
    assert kind.__name__ in (exceptions.__doc__ or "")
