"""The proxy of docs/server.md, in a real nginx: sockets go through, the API does not."""

from __future__ import annotations

import os
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser

from instant import publish
from instant.access.tokens import channel_token, connection_token
from instant.testing import LiveServer
from instant.testing.live_servers import free_port, wait_until_listening
from tests.clients import SyncClient
from tests.snippets import ROOT, snippets

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@pytest.fixture
def proxy(server: LiveServer, tmp_path: Path) -> Iterator[str]:
    if NGINX is None:
        pytest.skip("nginx: not on PATH")
    (block,) = [snippet.text for snippet in snippets(ROOT / "docs/server.md") if snippet.language == "nginx"]
    port = free_port()
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"""
        pid {tmp_path}/pid;
        daemon off;
        error_log {tmp_path}/error.log;
        events {{ worker_connections 64; }}
        http {{
            access_log off;
            client_body_temp_path {tmp_path}/body; proxy_temp_path {tmp_path}/proxy;
            fastcgi_temp_path {tmp_path}/fastcgi; uwsgi_temp_path {tmp_path}/uwsgi; scgi_temp_path {tmp_path}/scgi;
            server {{
                listen 127.0.0.1:{port};
                {block.replace("10.0.0.7:8427", f"127.0.0.1:{server.port}")}
            }}
        }}
        """
    )
    command = [NGINX, "-c", str(config), "-p", str(tmp_path), "-e", str(tmp_path / "error.log")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    wait_until_listening(port)
    yield f"127.0.0.1:{port}"
    process.terminate()
    process.wait(20)


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
