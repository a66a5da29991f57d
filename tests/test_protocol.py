"""The words of the wire: TypeScript has the same, and they keep to the server's limits."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from instant import protocol

GENERATED = Path(__file__).parents[1] / "frontend" / "src" / "core" / "protocol.ts"
NAMES = [name for name in vars(protocol) if name.isupper()]


def generated() -> dict[str, object]:
    found = re.findall(r"^export const ([A-Z_]+) = (.+);$", GENERATED.read_text(), re.MULTILINE)
    return {name: json.loads(value) for name, value in found}


@pytest.mark.skipif(not GENERATED.exists(), reason="frontend/ is not there: an installed package")
@pytest.mark.parametrize("name", NAMES)
def test_typescript_has_the_same(name: str) -> None:
    assert generated()[name] == getattr(protocol, name), "run `make front`"


@pytest.mark.skipif(not GENERATED.exists(), reason="frontend/ is not there: an installed package")
def test_typescript_has_no_more() -> None:
    assert list(generated()) == NAMES


def test_a_payload_fits_into_a_clients_queue() -> None:
    # client.queue_max_size is 1 MiB, and the frame around the payload needs room
    assert protocol.MAX_PAYLOAD_BYTES + 16 * 1024 < 1024 * 1024


def test_the_close_code_is_one_that_the_server_takes_and_sdks_end_at() -> None:
    assert 4500 <= protocol.REVOKED_CODE <= 4999
    assert protocol.REVOKED_REASON.isascii()
    assert len(protocol.REVOKED_REASON) <= 32
