"""The messages of a socket's stream, as defined in `stream.proto`.

They are defined here in Python and in their own descriptor pool. Generated code would have to match the installed
protobuf version, and a project may also use Centrifugo's own stubs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "centrifugal.centrifugo.proxy"
SERVICE: Final = f"{_PACKAGE}.CentrifugoProxy"
METHOD: Final = f"/{SERVICE}/SubscribeBidirectional"

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {"string": _Field.TYPE_STRING, "bytes": _Field.TYPE_BYTES, "uint32": _Field.TYPE_UINT32}
_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "StreamSubscribeRequest": {"subscribe_request": (1, "SubscribeRequest"), "publication": (2, "Publication")},
    "StreamSubscribeResponse": {"subscribe_response": (1, "SubscribeResponse"), "publication": (2, "Publication")},
    "SubscribeRequest": {
        "client": (1, "string"),
        "user": (10, "string"),
        "channel": (11, "string"),
        "meta": (13, "bytes"),
        "data": (14, "bytes"),
    },
    "SubscribeResponse": {"result": (1, "SubscribeResult"), "error": (2, "Error")},
    "SubscribeResult": {},
    "Error": {"code": (1, "uint32"), "message": (2, "string")},
    "Publication": {"data": (4, "bytes")},
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to open a socket. `data` and `meta` are JSON, or empty."""

    client: str
    user: str
    channel: str
    data: bytes = b""
    meta: bytes = b""


def describe() -> descriptor_pb2.FileDescriptorProto:
    """Return the content of `stream.proto` as a protobuf descriptor."""
    file = descriptor_pb2.FileDescriptorProto(name="stream.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, (number, kind) in fields.items():
            field = message.field.add(name=field_name, number=number, label=_Field.LABEL_OPTIONAL)
            if kind in _SCALARS:
                field.type = _SCALARS[kind]
            else:
                field.type, field.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
    service = file.service.add(name="CentrifugoProxy")
    service.method.add(
        name="SubscribeBidirectional",
        input_type=f".{_PACKAGE}.StreamSubscribeRequest",
        output_type=f".{_PACKAGE}.StreamSubscribeResponse",
        client_streaming=True,
        server_streaming=True,
    )
    return file


_pool = descriptor_pool.DescriptorPool()
_pool.Add(describe())


def _class(name: str) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


_Request, _Response = _class("StreamSubscribeRequest"), _class("StreamSubscribeResponse")


def decode(content: bytes) -> Asked | bytes:
    """Return the content of a message from the server: first a request to open, then what the client sent.

    Raises:
        ValueError: `content` is not a valid message.
    """
    try:
        message = _Request.FromString(content)
    except Exception as error:  # protobuf's exception, whose class depends on its implementation
        raise ValueError(f"not a message of a stream: {error}") from error
    if message.HasField("subscribe_request"):
        asked = message.subscribe_request
        return Asked(asked.client, asked.user, asked.channel, asked.data, asked.meta)
    return bytes(message.publication.data)


def encode(content: bytes) -> bytes:
    """Return the message that carries `content`, which is JSON, to the client."""
    message: Any = _Response()
    message.publication.data = content
    encoded: bytes = message.SerializeToString()
    return encoded


def accepted() -> bytes:
    """Return the message that accepts the socket."""
    message: Any = _Response()
    message.subscribe_response.result.SetInParent()
    encoded: bytes = message.SerializeToString()
    return encoded


def refused(code: int, reason: str) -> bytes:
    """Return the message that refuses the socket with a code and a reason."""
    message: Any = _Response()
    message.subscribe_response.error.code, message.subscribe_response.error.message = code, reason
    encoded: bytes = message.SerializeToString()
    return encoded
