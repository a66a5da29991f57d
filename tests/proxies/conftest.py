"""What answers the calls of these tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from instant.proxies import rate_limits, rpc
from instant.proxies.requests import RpcRequest


@pytest.fixture
def asked() -> list[RpcRequest]:
    return []


@pytest.fixture(autouse=True)
def answering(asked: list[RpcRequest], monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """What answers: at first with what it is asked; `answering(function)` takes another."""
    monkeypatch.setattr(rpc, "calls", rate_limits.Buckets())

    def echo(request: RpcRequest) -> Any:
        asked.append(request)
        return {"value": request.data}

    def answer_with(function: Callable[[RpcRequest], Any]) -> None:
        def call(name: str, opts: Any, *, user: str, client: str, meta: Any, headers: Any) -> Any:
            return function(RpcRequest(client, user, name, opts, meta, headers))

        monkeypatch.setattr(rpc, "call", call)

    answer_with(echo)
    return answer_with
