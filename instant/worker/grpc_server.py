"""The worker's gRPC server. Centrifugo opens one stream for each open socket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from django.views.decorators.debug import sensitive_variables

from ..access.proxy_secret import is_proxy_secret
from ..centrifugo.rpc_config import SECRET_HEADER
from ..centrifugo.stream_config import FORWARDED_HEADERS
from ..exceptions import Deny, ServerFailed
from ..serializer import decode
from ..sockets import envelopes
from ..sockets.connection import Feed, Opening, Socket, asked
from ..sockets.socket_pool import SocketPool
from . import grpc_messages

if TYPE_CHECKING:
    _Context = grpc.aio.ServicerContext[Any, bytes]

logger = logging.getLogger("instant")

#: Seconds after which Centrifugo must use a new connection for new streams. Open streams keep their connection.
#: Centrifugo opens new streams on one connection only. Without this limit, one of several processes would get all
#: sockets.
CONNECTION_AGE = 10.0

#: Metadata of a stream, as names and values: the secret, and the browser's headers that Centrifugo forwards.
Metadata = Sequence[tuple[str, Any]]


class Worker:
    """Serves streams at an address, for the sockets of `pool`.

    With `shared_port`, other processes listen on the same port. `keepalive` are two times in seconds: the interval of
    pings, and the time in which Centrifugo must answer one.
    """

    def __init__(self, pool: SocketPool, *, shared_port: bool = False, keepalive: tuple[float, float]) -> None:
        self._pool = pool
        self._server = grpc.aio.server(options=_options(shared_port, keepalive))
        self._server.add_generic_rpc_handlers((_Handlers(self._serve),))

    async def start(self, address: str) -> int:
        """Listen at "host:port", and return the port.

        Raises:
            ServerFailed: the address is in use or not valid.
        """
        try:
            port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise ServerFailed(f"cannot listen at {address}: {error}") from error
        await self._server.start()
        return port

    async def stop(self, patience: float) -> None:
        """Accept no more streams, and close the open streams after `patience` seconds."""
        await self._server.stop(patience)

    async def _serve(self, _: Any, context: _Context) -> None:
        # The metadata contains the secret. It is in no local variable, because error mails show those.
        if not _is_trusted(_metadata(context)):
            logger.error("refused a stream with a wrong secret; restart the websockets server with `manage.py runws`")
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "wrong secret")
        question = await context.read()
        if not isinstance(question, grpc_messages.Asked):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the first message must be a request to subscribe")
        try:
            opening = _read(question, _metadata(context))
            socket = await self._pool.open(opening, envelopes.wrapped)
        except Deny as refusal:
            await context.write(grpc_messages.refused(refusal.code, refusal.reason))
            return
        await _carry(socket, context)


async def _carry(socket: Socket, context: _Context) -> None:
    """Pass messages in both directions until one side has ended."""
    feed = Feed(socket)
    reading: asyncio.Task[None] | None = None
    try:
        await context.write(grpc_messages.accepted())
        reading = asyncio.get_running_loop().create_task(_feed(context, feed))
        reading.add_done_callback(lambda _: socket.lost())
        while messages := await socket.outgoing.take():
            for message in messages:
                await context.write(grpc_messages.encode(message))
        if socket.outgoing.closing:
            await context.write(grpc_messages.encode(envelopes.last(socket.outgoing.closing)))
    finally:
        feed.stop()
        socket.lost()
        if reading:
            reading.cancel()
    if not socket.outgoing.closing:
        # Centrifugo then makes its client reconnect.
        await context.abort(grpc.StatusCode.UNAVAILABLE, "the worker stops")


async def _feed(context: _Context, feed: Feed) -> None:
    while isinstance(content := await context.read(), bytes):
        feed.take(content)


def _read(question: grpc_messages.Asked, metadata: Metadata) -> Opening:
    try:
        data, meta = (decode(text) if text else None for text in (question.data, question.meta))
    except (ValueError, RecursionError):
        raise Deny(400, "unsupported version of sockets") from None
    headers = {name: value for name, value in metadata if isinstance(value, str) and name in FORWARDED_HEADERS}
    return asked(question.channel, question.user, question.client, data=data, meta=meta, headers=headers)


def _metadata(context: _Context) -> Metadata:
    return tuple(context.invocation_metadata() or ())


@sensitive_variables()
def _is_trusted(metadata: Metadata) -> bool:
    """Return whether the caller knows the secret, as Centrifugo does with the config of this site."""
    return is_proxy_secret(next((value for name, value in metadata if name == SECRET_HEADER.lower()), None))


def _options(shared_port: bool, keepalive: tuple[float, float]) -> list[tuple[str, int]]:
    interval, patience = (round(1000 * seconds) for seconds in keepalive)
    return [
        ("grpc.so_reuseport", int(shared_port)),
        # If Centrifugo's machine fails, its connections are not closed. The streams end when a ping is not answered.
        ("grpc.keepalive_time_ms", interval),
        ("grpc.keepalive_timeout_ms", patience),
        ("grpc.http2.ping_timeout_ms", patience),  # the effective timeout; its default is one minute
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_connection_age_ms", round(1000 * CONNECTION_AGE)),
    ]


class _Handlers(grpc.GenericRpcHandler):
    """Serves the only method of the service."""

    def __init__(self, serve: Callable[[Any, _Context], Awaitable[None]]) -> None:
        self._handler = grpc.stream_stream_rpc_method_handler(
            serve,
            request_deserializer=grpc_messages.decode,
            response_serializer=bytes,
        )

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        return self._handler if handler_call_details.method == grpc_messages.METHOD else None
