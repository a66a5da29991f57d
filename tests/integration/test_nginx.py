"""The proxy of docs/server.md, in a real nginx: sockets go through, the API does not."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser

from instant import publish
from instant.access.tokens import channel_token, connection_token
from instant.testing import LiveServer
from instant.testing.live_servers import free_port
from tests import nginx
from tests.clients import SyncClient
from tests.snippets import ROOT, snippets


@pytest.fixture
def proxy(server: LiveServer, tmp_path: Path) -> Iterator[str]:
    nginx.need_nginx()
    (block,) = [snippet.text for snippet in snippets(ROOT / "docs/server.md") if snippet.language == "nginx"]
    block, port = block.replace("10.0.0.7:8427", f"127.0.0.1:{server.port}"), free_port()
    with nginx.running(tmp_path, f"server {{ listen 127.0.0.1:{port}; {block} }}", port):
        yield f"127.0.0.1:{port}"


def test_sockets_go_through_and_the_api_does_not(proxy: str) -> None:
    visitor = AnonymousUser()
    with SyncClient(f"ws://{proxy}", connection_token(visitor)) as client:
        client.join("news", channel_token("news", visitor))
        publish("news", "through nginx")
        client.wait(lambda: client.texts() == ["through nginx"])
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://{proxy}/api/info", data=b"{}")
    refused.value.close()
    assert refused.value.code in (403, 404, 405)  # nginx's own; the server's would be 401
