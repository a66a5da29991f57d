"""Forwards rpc commands to the backend by HTTP, as configured in `rpc.proxy`."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import aiohttp

from instant.devserver import errors, wire_json

if TYPE_CHECKING:
    from instant.devserver.client import Client
    from instant.devserver.config import Config

logger = logging.getLogger("instant.devserver")


class Backend:
    """An `RpcHandler` that forwards commands to the backend.

    At most `client.concurrency` commands of a connection run at the same time. Further commands wait.
    """

    def __init__(self, config: Config) -> None:
        self._rpc, self._concurrency = config.rpc, max(1, config.client.concurrency)
        self._enabled = {"": config.rpc.without_namespace.proxy_enabled}
        self._enabled.update((name, item.proxy_enabled) for name, item in config.rpc_namespaces.items())
        self._semaphores: WeakKeyDictionary[Client, asyncio.Semaphore] = WeakKeyDictionary()
        self._tasks: set[asyncio.Task[None]] = set()
        self._http: aiohttp.ClientSession | None = None

    @property
    def is_used(self) -> bool:
        """Whether the config forwards any command."""
        return any(self._enabled.values())

    def __call__(self, client: Client, command_id: int, method: str, data: Any) -> None:
        """Forward a command, and send the reply when the backend has answered.

        Raises:
            ReplyError: 104 for an unknown namespace, 108 if its commands are not forwarded.
        """
        namespace, boundary, _ = method.partition(self._rpc.namespace_boundary)
        enabled = self._enabled.get(namespace if boundary else "")
        if not enabled:
            client.log("rpc is not forwarded: its namespace is unknown or has no proxy", method=method)
            raise errors.ReplyError(errors.METHOD_NOT_FOUND if enabled is None else errors.NOT_AVAILABLE)
        task = asyncio.get_running_loop().create_task(self._answer(client, command_id, method, data))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel all running requests and close the HTTP client."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.close()

    async def _answer(self, client: Client, command_id: int, method: str, data: Any) -> None:
        semaphore = self._semaphores.setdefault(client, asyncio.Semaphore(self._concurrency))
        async with semaphore:
            if client.closing:
                return
            try:
                reply(client, command_id, await self._ask(client, _request_body(client, method, data, self._rpc.proxy)))
            except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError) as error:
                logger.error("error proxying rpc to %s: %s", self._rpc.proxy.endpoint, str(error) or "timeout")
                client.fail(command_id, errors.INTERNAL)

    async def _ask(self, client: Client, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request to the backend and return its answer.

        Raises:
            ValueError: the answer's status is not 200, or its body is not a JSON object.
        """
        proxy = self._rpc.proxy
        if self._http is None:
            # No keep-alive: the backend may close an idle connection just when a command is sent, and a command must
            # not be sent twice.
            connector = aiohttp.TCPConnector(force_close=True, limit=0)
            self._http = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        forwarded = {name: client.headers[name] for name in proxy.http_headers if name in client.headers}
        headers = {"Content-Type": "application/json", **proxy.http.static_headers, **forwarded}
        timeout, body = aiohttp.ClientTimeout(total=proxy.timeout), wire_json.encode(request).encode()
        async with self._http.post(proxy.endpoint, data=body, headers=headers, timeout=timeout) as response:
            content = await response.read()
            if response.status != 200:
                raise ValueError(f"unexpected HTTP status {response.status}")
        answer = wire_json.decode(content)
        if not isinstance(answer, dict | None):
            raise wire_json.MalformedError("the backend's answer is not an object")
        return answer or {}


def _request_body(client: Client, method: str, data: Any, proxy: Any) -> dict[str, Any]:
    fields = {"client": client.id, "transport": "websocket", "protocol": "json", "encoding": "json"}
    request = {**fields, "user": client.user, **wire_json.filled(method=method)}
    meta = client.meta if proxy.include_connection_meta else wire_json.MISSING
    return wire_json.with_raw(request, data=data, meta=meta)


def reply(client: Client, command_id: int, answer: dict[str, Any]) -> None:
    """Apply the backend's answer. A disconnect takes precedence over an error, and an error over a result.

    Raises:
        ValueError: a field has a wrong type or is out of range.
    """
    disconnect, error = wire_json.read_object(answer, "disconnect"), wire_json.read_object(answer, "error")
    result = wire_json.read_object(answer, "result") or {}
    data = wire_json.read_bytes(result, "data")
    if disconnect is not None:
        client.close(
            errors.Disconnect(wire_json.read_uint(disconnect, "code"), wire_json.read(disconnect, "reason", ""))
        )
    elif error is not None:
        code, message = wire_json.read_uint(error, "code"), wire_json.read(error, "message", "")
        body = wire_json.filled(code=code, message=message, temporary=wire_json.read(error, "temporary", False))
        client.send(wire_json.frame({"id": command_id, "error": body}))
    else:
        client.reply(command_id, "rpc", wire_json.with_raw({}, data=data))
