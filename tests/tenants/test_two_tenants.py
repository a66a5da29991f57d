"""Two tenants of one site on one websockets server, with users of equal primary keys: nothing crosses."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Page

from instant.testing.live_servers import free_port, wait_until_listening
from tests.browser import conftest
from tests.browser.conftest import PATIENCE
from tests.browser.live_site import until
from tests.tenants import current

browser, new_page, errors = conftest.browser, conftest.new_page, conftest.errors  # fixtures
pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
#: Messages that each tenant publishes to each of four channels: 10,000 in all.
COUNT = 1_250


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    return {name: free_port() for name in ("web", "port", "grpc", "bridge")}


@pytest.fixture(scope="module")
def environment(ports: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    own = {f"TENANTS_{name.upper()}": str(port) for name, port in ports.items()}
    folder = str(tmp_path_factory.mktemp("tenants"))
    settings = {"DJANGO_SETTINGS_MODULE": "tests.tenants.settings", "TENANTS_FOLDER": folder, "PYTHONPATH": str(ROOT)}
    return {**os.environ, **settings, **own}


@pytest.fixture
def site(server_kind: str, ports: dict[str, int], environment: dict[str, str]) -> Iterator[Callable[[str], str]]:
    """site("acme"): the address of this tenant, while the site and its servers run."""
    python = sys.executable
    folder = Path(environment["TENANTS_FOLDER"])
    for path in folder.glob("*.sqlite3"):
        path.unlink()
    subprocess.run([python, "-m", "tests.tenants.seed"], env=environment, check=True)
    insecure = ["--insecure-dev"] if server_kind == "dev" else []
    commands = {
        "port": ["django", "runws", "--server", server_kind, *insecure],
        "web": ["gunicorn", "tests.tenants.servers:wsgi", "--threads=8", f"--bind=127.0.0.1:{ports['web']}"],
        "grpc": ["django", "run_wsserver"],
    }
    with ExitStack() as stack:
        log = stack.enter_context((folder / "log").open("wb"))
        for name, command in commands.items():
            process = subprocess.Popen([python, "-m", *command], env=environment, stdout=log, stderr=log)
            stack.callback(process.wait, PATIENCE)
            stack.callback(process.terminate)
            wait_until_listening(ports[name], process)
        yield lambda tenant: f"http://{tenant}.localhost:{ports['web']}"


def opened(page: Page, url: str) -> Page:
    page.goto(f"{url}/enter/")
    page.goto(f"{url}/")
    page.evaluate("instant.connect()")
    page.evaluate("instant.subscribe('$room:1').then(() => null)")
    until(page, "() => instant.channels.length >= 5")
    return page


def get(url: str, path: str) -> requests.Response:
    # The name is not resolved: not every machine knows those below localhost.
    host = url.removeprefix("http://")
    address = f"http://127.0.0.1:{host.rpartition(':')[2]}/{path}"
    response = requests.get(address, headers={"Host": host}, timeout=PATIENCE)
    response.raise_for_status()
    return response


def socket_answer(page: Page, name: str) -> Any:
    return page.evaluate(
        """name => new Promise((resolve, reject) => {
            const socket = instant.socket(name);
            socket.onopen = () => socket.send("?");
            socket.onmessage = ({data}) => { resolve(JSON.parse(data)); socket.close(); };
            socket.onerror = () => reject(new Error("socket"));
        })""",
        name,
    )


def test_nothing_crosses(site: Callable[[str], str], new_page: Callable[[], Page]) -> None:
    pages = {tenant: opened(new_page(), site(tenant)) for tenant in current.NAMES}
    for tenant, page in pages.items():
        assert page.evaluate("instant.user") == "1"
        assert page.evaluate("instant.call('where')") == [tenant, f"user-of-{tenant}"]
        for name in ("where", "awhere"):
            assert socket_answer(page, name) == [tenant, f"user-of-{tenant}"]
        assert get(site(tenant), "who/").json() == {"present": [["1", 1]], "online": 1}
        assert page.evaluate("instant.presence('$room:1')") == [{"user": "1", "info": None, "clients": 1}]
    for tenant in current.NAMES:
        get(site(tenant), f"send/?count={COUNT}")
    for tenant, page in pages.items():
        until(page, "count => heard.length >= count", 4 * COUNT + 5)
        page.wait_for_timeout(300)
        heard = page.evaluate("heard")
        numbers = [f"{tenant} {number}" for number in range(COUNT)]
        for channel in ("news", "$team", "$room:1"):
            assert [text for name, text in heard if name == channel] == numbers
        *found, event = [text for name, text in heard if name == "$everyone"]
        assert found == numbers
        assert event["data"]["text"] == tenant
        assert [text for name, text in heard if name == "$user.1"] == [tenant]
        assert [text for name, text in heard if name == "signal"] == [tenant] * 3


def test_access_ends_in_one_tenant_only(site: Callable[[str], str], new_page: Callable[[], Page]) -> None:
    acme, beta = (opened(new_page(), site(tenant)) for tenant in current.NAMES)
    get(site("acme"), "leave/")
    until(acme, "() => lost.includes('$team')")
    get(site("beta"), "send/?count=1")
    until(beta, "() => heard.some(([channel]) => channel === '$team')")
    assert beta.evaluate("lost") == []
    get(site("acme"), "send/?count=1")
    until(acme, "() => heard.some(([channel]) => channel === '$everyone')")
    assert not acme.evaluate("heard.some(([channel]) => channel === '$team')")


def test_a_window_of_another_tenant_is_none(site: Callable[[str], str], new_page: Callable[[], Page]) -> None:
    acme, beta = (opened(new_page(), site(tenant)) for tenant in current.NAMES)
    window = acme.evaluate("JSON.parse(document.getElementById('instant-credentials').textContent).window")
    answer = beta.evaluate(
        """async window => (await fetch("/instant/get_token/", {method: "POST", body: JSON.stringify({window}),
            headers: {"Content-Type": "application/json"}})).json()""",
        window,
    )
    assert answer["window"] is None
    assert not [channel for channel in answer["channels"] if channel["level"] == "page"]
