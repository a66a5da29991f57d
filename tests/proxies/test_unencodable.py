"""Numbers that no JSON holds, ids that no database holds and headers that are no text are refused without an error."""

from __future__ import annotations

import json
import logging

import pytest

from instant.access.proxy_secret import is_proxy_secret
from instant.access.tokens import connection_claims
from instant.channels.user_ids import users_named
from instant.sockets import envelopes

from .calls import BODY, error, post


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity"])
def test_numbers_that_cannot_be_sent_back(number: str, caplog: pytest.LogCaptureFixture) -> None:
    content = json.dumps(BODY).replace('"data": {"a": 1}', f'"data": {{"a": {number}}}').encode()
    assert number.encode() in content
    assert error(post(content))[0] == 400
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    with pytest.raises(ValueError, match="JSON cannot hold the number"):
        envelopes.read(f'{{"n": 0, "m": {number}}}')


@pytest.mark.django_db
@pytest.mark.parametrize("sub", [str(2**63), str(-(2**63) - 1), "9" * 40])
def test_an_id_that_no_database_holds_is_nobodys(sub: str) -> None:
    assert list(users_named([sub])) == []


def test_a_header_that_is_no_text_is_no_secret_and_no_token() -> None:
    assert not is_proxy_secret("\udcff")
    assert connection_claims("a.b.\udcff") is None
