"""The wire: our description is what protoc makes of stream.proto. That it is the server's, test_live.py shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from instant.worker import grpc_messages

PROTO = Path(grpc_messages.__file__).with_name("stream.proto")


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
    ours = grpc_messages.describe()
    assert ours.package == plain.package
    assert list(ours.service) == list(plain.service)
    by_name = {message.name: message for message in plain.message_type}
    assert sorted(by_name) == sorted(message.name for message in ours.message_type)
    for message in ours.message_type:
        assert message == by_name[message.name], message.name


def test_there_and_back() -> None:
    request = grpc_messages._Request()
    request.subscribe_request.client, request.subscribe_request.user = "c1", "42"
    request.subscribe_request.channel, request.subscribe_request.data = "ws:chat:1", b"{}"
    assert grpc_messages.decode(request.SerializeToString()) == grpc_messages.Asked("c1", "42", "ws:chat:1", b"{}")
    later = grpc_messages._Request()
    later.publication.data = b'{"n":0}'
    assert grpc_messages.decode(later.SerializeToString()) == b'{"n":0}'
    assert grpc_messages._Response.FromString(grpc_messages.accepted()).HasField("subscribe_response")
    assert grpc_messages._Response.FromString(grpc_messages.refused(404, "no")).subscribe_response.error.code == 404
    assert grpc_messages._Response.FromString(grpc_messages.encode(b"1")).publication.data == b"1"


def test_bytes_that_are_no_message() -> None:
    with pytest.raises(ValueError, match="not a message"):
        grpc_messages.decode(b"\xff\xff\xff")


def test_an_empty_message_is_a_publication() -> None:
    assert grpc_messages.decode(b"") == b""
