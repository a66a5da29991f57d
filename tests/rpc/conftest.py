"""What answers the calls of these tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from instant.proxies import limits, router
from instant.proxies.requests import RpcRequest


@pytest.fixture
def asked() -> list[RpcRequest]:
    return []


@pytest.fixture(autouse=True)
def answering(asked: list[RpcRequest], monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """What answers: at first with what it is asked; `answering(function)` takes another."""
    handlers: dict[str, Any] = {}
    monkeypatch.setattr(router, "_handlers", handlers)
    monkeypatch.setattr(router, "calls", limits.Buckets())

    def echo(request: RpcRequest) -> Any:
        asked.append(request)
        return {"value": request.data}

    router.handle("rpc", echo)
    return lambda function: router.handle("rpc", function)
