"""POST requests to the server's HTTP API over persistent connections.

There is one urllib3 pool per process, and one aiohttp session per event loop. Everything that is sent as bytes goes
through this module, single commands and batches; `cent_api.py` uses cent for the rest.
"""

from __future__ import annotations

import asyncio
import encodings.idna  # noqa: F401 - else a fork during the first connection leaves the codec unknown for ever
import json
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as PoolTimeout

from ..conf.settings import conf
from ..exceptions import InvalidSetting, ServerError
from ..process_state import PerProcess
from ..secret_text import Secret, masked, shown, without_frames
from . import offline
from .fast_response import FastResponse

if TYPE_CHECKING:
    import aiohttp

#: Maximum number of retries of one call, after a lost connection or error 100 (internal error).
RETRIES = 2
#: The only error code of the server with which a retry can help.
INTERNAL_ERROR = 100
#: urllib3 must not retry by itself; `_may_retry` decides.
_NO_RETRIES = urllib3.Retry(total=False, redirect=False)
_PAUSES = (0.02, 0.1)
#: The keys of a valid response, with their types. JSON of another program must not count as a success.
_ANSWERS = {"result": dict, "replies": list, "error": dict}

_pools = PerProcess[dict[str, urllib3.HTTPConnectionPool]](dict)
#: One session per event loop. A forked child starts with a new loop.
_sessions: dict[asyncio.AbstractEventLoop, tuple[AsyncGenerator[Any, None], Any]] = {}


class _Connection(HTTPConnection):
    response_class = FastResponse


def _new_pool(url: str) -> urllib3.HTTPConnectionPool:
    pool = urllib3.connection_from_url(url, maxsize=32, block=False)
    if pool.scheme == "http":
        pool.ConnectionCls = _Connection
    return pool


def _pool(url: str) -> urllib3.HTTPConnectionPool:
    pools = _pools()
    return pools.get(url) or pools.setdefault(url, _new_pool(url))


def post(
    method: str, body: bytes, timeout: float | None = None, meanwhile: Callable[[], object] | None = None
) -> dict[str, Any]:
    """Return the server's response to `POST /api/<method>`: an object with `result`, or with `replies` for a batch.

    `timeout` is in seconds and includes retries; the default is INSTANT_PUBLISH_TIMEOUT. A call is retried after a lost
    connection and after error 100, so a body that must not take effect twice needs an idempotency key. `meanwhile` is
    called while the server works on the request, at most once. It is not called if the connection is lost before that.

    Raises:
        ServerError: there is no response, the response is not Centrifugo's, or it is an error. `code` is the error
            code, `retryable` says whether a retry can help.
    """
    if offline.is_silent():
        return offline.answer(method, body)
    deadline = time.monotonic() + (conf.INSTANT_PUBLISH_TIMEOUT if timeout is None else timeout)
    attempt = 0
    while True:
        try:
            return _post_once(method, body, deadline, None if attempt else meanwhile)
        except ServerError as error:
            if not _may_retry(error, attempt, deadline):
                raise
        time.sleep(_PAUSES[attempt])
        attempt += 1


async def apost(method: str, body: bytes, timeout: float | None = None) -> dict[str, Any]:
    """Return the server's response as `post` does, on the running event loop. `timeout` is in seconds.

    Raises:
        ServerError: see `post`.
    """
    if offline.is_silent():
        return offline.answer(method, body)
    if "aiohttp" not in sys.modules:  # the import is slow; it is not part of the timeout
        await asyncio.to_thread(import_module, "aiohttp")
    deadline = time.monotonic() + (conf.INSTANT_PUBLISH_TIMEOUT if timeout is None else timeout)
    attempt = 0
    while True:
        try:
            return await _apost_once(method, body, deadline)
        except ServerError as error:
            if not _may_retry(error, attempt, deadline):
                raise
        await asyncio.sleep(_PAUSES[attempt])
        attempt += 1


def preload() -> None:
    """Import aiohttp if this process loads an ASGI application, unless no request will be sent.

    The import takes 0.2 seconds and 11 MB. Other processes rarely call async functions, and import it at the first
    call. `django.core.asgi` is what a project's `asgi.py` imports before it starts Django.
    """
    if "django.core.asgi" not in sys.modules:
        return
    with suppress(InvalidSetting):  # `check` reports it
        if not offline.is_silent():
            import_module("aiohttp")


def server_time() -> float:
    """Return the server's time in seconds since 1970, accurate to half a second, from the Date header of a response.

    Raises:
        ServerError: there is no response, it has no date, or requests to the server are suppressed.
    """
    offline.require_server()
    url = conf.server_url
    try:
        answer = _pool(url).request(
            "HEAD", f"{_path(url)}/api/info", retries=_NO_RETRIES, timeout=conf.INSTANT_PUBLISH_TIMEOUT
        )
        return parsedate_to_datetime(answer.headers["Date"]).timestamp() + 0.5
    except HTTPError as error:
        raise _no_answer(url, error) from without_frames(error)
    except (KeyError, ValueError) as error:
        raise ServerError(f"the response of the server at {shown(url)} has no Date header") from error


def _may_retry(error: ServerError, attempt: int, deadline: float) -> bool:
    lost = error.code in (0, INTERNAL_ERROR)
    return error.retryable and lost and attempt < RETRIES and time.monotonic() + _PAUSES[attempt] < deadline


def _post_once(method: str, body: bytes, deadline: float, meanwhile: Callable[[], object] | None) -> dict[str, Any]:
    url = conf.server_url
    headers = _headers(conf.api_key)
    if meanwhile is not None:
        headers = {**headers, "Content-Length": str(len(body))}
    left = max(deadline - time.monotonic(), 0.001)
    try:
        response = _pool(url).urlopen(
            "POST",
            f"{_path(url)}/api/{method}",
            body if meanwhile is None else _sent(body, meanwhile),
            headers,
            retries=_NO_RETRIES,
            timeout=urllib3.Timeout(total=left),
            redirect=False,
        )
    except HTTPError as error:
        raise _no_answer(url, error) from without_frames(error)
    except Exception as error:
        raise without_frames(error)  # noqa: B904 - itself
    return _parsed(url, response.status, response.data)


def _sent(body: bytes, meanwhile: Callable[[], object]) -> Iterator[bytes]:
    """Yield the body as one chunk, then call `meanwhile`.

    urllib3 asks for the next chunk when the first one has been sent, and reads the response after that.
    """
    yield body
    meanwhile()


async def _apost_once(method: str, body: bytes, deadline: float) -> dict[str, Any]:
    import aiohttp

    url = conf.server_url
    left = aiohttp.ClientTimeout(total=max(deadline - time.monotonic(), 0.001))
    try:
        session = await _session()
        async with session.post(
            f"{url}/api/{method}", data=body, headers=_headers(conf.api_key), timeout=left, allow_redirects=False
        ) as response:
            return _parsed(url, response.status, await response.read())
    except ServerError:
        raise
    except (aiohttp.ClientError, asyncio.TimeoutError) as error:
        raise _no_answer(url, error) from without_frames(error)
    except Exception as error:
        raise without_frames(error)  # noqa: B904 - itself


async def _session() -> aiohttp.ClientSession:
    loop = asyncio.get_running_loop()
    if loop not in _sessions:
        keeper = _kept_session()
        _sessions[loop] = keeper, await keeper.__anext__()
    return _sessions[loop][1]  # type: ignore[no-any-return]


async def _kept_session() -> AsyncGenerator[aiohttp.ClientSession, None]:
    """Yield a session that is closed with its event loop.

    At its end a loop closes its asynchronous generators (`shutdown_asyncgens`), and so this generator closes the
    session.
    """
    import aiohttp

    loop = asyncio.get_running_loop()
    try:
        async with aiohttp.ClientSession() as session:
            yield session
    finally:
        # The session refers to its loop. An entry left here would keep every loop of asyncio.run() in memory.
        _sessions.pop(loop, None)


@lru_cache(maxsize=4)
def _headers(key: str) -> dict[str, str]:
    return {"X-API-Key": Secret(key), "Content-Type": "application/json"}


@lru_cache(maxsize=4)
def _path(url: str) -> str:
    _, _, path = url.partition("://")[2].partition("/")
    return f"/{path}" if path else ""


def _no_answer(url: str, error: BaseException) -> ServerError:
    cause = masked(str(error)) or type(error).__name__
    if isinstance(error, (asyncio.TimeoutError, PoolTimeout)) and "connect" not in type(error).__name__.lower():
        return ServerError(f"the server at {shown(url)} did not answer in time: {cause}", retryable=True)
    text = f"no connection to the server at {shown(url)}: {cause} (is `manage.py runws` running?)"
    return ServerError(text, retryable=True)


def _parsed(url: str, status: int, body: bytes) -> dict[str, Any]:
    if status == 401:
        raise ServerError(
            f"the server at {shown(url)} refused the API key. It may have been started with other settings "
            "(CENTRIFUGO_API_KEY, SECRET_KEY): restart it with `manage.py runws`",
            code=401,
        )
    if status != 200:
        raise ServerError(
            f"the server at {shown(url)} answered with HTTP {status}", code=status, retryable=status >= 500
        )
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or not any(isinstance(answer.get(key), kind) for key, kind in _ANSWERS.items()):
        raise ServerError(f"the program at {shown(url)} is not Centrifugo: {body[:80]!r}", code=status)
    if "error" in answer:
        raise api_error(answer["error"])
    return answer


def api_error(error: dict[str, Any]) -> ServerError:
    """Return the exception for an error object of the server's API."""
    code = int(error.get("code", INTERNAL_ERROR))
    reason = f"the server answered {code} {error.get('message', '')}".rstrip()
    if code == 102:
        reason += ": it does not know the namespace of the channel; start `manage.py runws` again"
    return ServerError(reason, code=code, retryable=code == INTERNAL_ERROR)
