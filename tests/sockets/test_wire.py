"""The wire: our description is what protoc makes of stream.proto. That it is the server's, test_live.py shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from instant.sockets import wire

PROTO = Path(wire.__file__).with_name("stream.proto")


def compiled(path: Path, folder: Path) -> descriptor_pb2.FileDescriptorProto:
    protoc = pytest.importorskip("grpc_tools.protoc")
    target = folder / "out.pb"
    assert protoc.main(["protoc", f"-I{path.parent}", f"--descriptor_set_out={target}", str(path)]) == 0
    (file,) = descriptor_pb2.FileDescriptorSet.FromString(target.read_bytes()).file
    return file


@pytest.fixture
def plain(tmp_path: Path) -> descriptor_pb2.FileDescriptorProto:
    file = compiled(PROTO, tmp_path)
    for message in file.message_type:
        for field in message.field:
            field.ClearField("json_name")
    return file


def test_the_proto_file_is_what_we_speak(plain: descriptor_pb2.FileDescriptorProto) -> None:
    ours = wire.describe()
    assert ours.package == plain.package
    assert list(ours.service) == list(plain.service)
    by_name = {message.name: message for message in plain.message_type}
    assert sorted(by_name) == sorted(message.name for message in ours.message_type)
    for message in ours.message_type:
        assert message == by_name[message.name], message.name


def test_there_and_back() -> None:
    request = wire._Request()
    request.subscribe_request.client, request.subscribe_request.user = "c1", "42"
    request.subscribe_request.channel, request.subscribe_request.data = "ws:chat:1", b"{}"
    assert wire.decode(request.SerializeToString()) == wire.Asked("c1", "42", "ws:chat:1", b"{}")
    later = wire._Request()
    later.publication.data = b'{"n":0}'
    assert wire.decode(later.SerializeToString()) == b'{"n":0}'
    assert wire._Response.FromString(wire.accepted()).HasField("subscribe_response")
    assert wire._Response.FromString(wire.refused(404, "no")).subscribe_response.error.code == 404
    assert wire._Response.FromString(wire.encode(b"1")).publication.data == b"1"


def test_bytes_that_are_no_message() -> None:
    with pytest.raises(ValueError, match="no message"):
        wire.decode(b"\xff\xff\xff")


def test_an_empty_message_is_a_publication() -> None:
    assert wire.decode(b"") == b""
