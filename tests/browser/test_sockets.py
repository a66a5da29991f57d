"""`instant.socket` from end to end: handlers in a real worker, both servers, real browsers."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from instant.testing import LiveServer
from tests.browser import live_site, sockets_site
from tests.browser.live_site import CLIENT, Site, until, wait_for
from tests.browser.sockets_site import ended, happened
from tests.snippets import ROOT, snippets
from tests.sockets import handlers
from tests.sockets.running import RunningWorker
from tests.tcp_proxies import Cable
from tests.waiting import until as wait

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.browser.live_site")]
django, site = live_site.django, live_site.site  # fixtures
namespaces, worker = sockets_site.namespaces, sockets_site.worker


def makers(worker: RunningWorker, name: str) -> tuple[str, str]:
    """The line that makes a socket: the plain bridge's, and ours."""
    return f'new WebSocket("ws://localhost:{worker.serving.bridge_port}/socket/{name}")', f'instant.socket("{name}")'


#: The page of django-ws.
COUNTER = """<!doctype html>%s<script type="text/javascript">
const got = [];
var ws = %s;
ws.onopen = function () {
    ws.send("First msg");
};
ws.onmessage = function(event) {
    got.push(event.data);
    if (got.length < 3) ws.send("Another");
    else ws.close(1000);
};
ws.onclose = function(event) {
    got.push([event.code, event.wasClean]);
};
</script>"""


def test_the_random_counter_of_django_ws(site: Site, worker: RunningWorker) -> None:
    """The page is the same, but for one line."""
    for name in ("", "default"):
        for maker in makers(worker, name):
            site.write(counter=COUNTER % (CLIENT, maker))
            page = site.browser("ann")
            page.goto(f"{site.url}/counter/")
            until(page, "got.length == 4")
            *numbers, end = page.evaluate("got")
            assert all(isinstance(number, str) and 0 <= int(number) <= 100 for number in numbers)
            assert end == [1000, True]


TRANSCRIPT = """() => new Promise((resolve) => {
    const log = [];
    const ws = %s;
    const note = (...what) => log.push([ws.readyState, ws.bufferedAmount, ...what]);
    for (const early of [() => ws.send("x"), () => ws.close(999), () => ws.close(1000, "x".repeat(124))]) {
        try { early(); } catch (error) { note(error.name, error instanceof DOMException); }
    }
    ws.addEventListener("open", () => {
        note("open");
        ws.send("text é \\u{1f600} \\ud83d");
        ws.send(JSON.stringify({a: [1, null, "é"]}));
        ws.send("close");
    });
    ws.onmessage = (event) => log.push([event.type, typeof event.data, event.data, event instanceof MessageEvent]);
    ws.onerror = (event) => log.push(event.type);
    ws.onclose = (event) => {
        note(event.code, event.reason, event.wasClean, event instanceof CloseEvent, event.target === ws);
        ws.send("late");
        note();
        ws.close();
        resolve(log);
    };
})"""


def test_code_for_a_websocket_works_by_changing_one_line(site: Site, worker: RunningWorker, errors: list[str]) -> None:
    page = site.open("ann", "sockets/")
    plain, ours = [page.evaluate(TRANSCRIPT % maker) for maker in makers(worker, "mirror")]
    assert errors == ["WebSocket is already in CLOSING or CLOSED state."]  # the browser tells so of its own
    errors.clear()
    assert len(ours) == 8
    assert ours[6] == [3, 0, 4001, "as you wish", True, True, True]
    plain[6][4] = True  # whether the plain one was clean depends on who closes its TCP connection first
    assert ours == plain


def test_messages_at_once_stay_in_order(site: Site, worker: RunningWorker) -> None:
    page = site.open("ann", "sockets/")
    for name in ("echo", "asyncecho"):
        page.evaluate("name => { window.socket = open(name) }", name)
        until(page, "socket.readyState == 1")
        page.evaluate("() => { for (let number = 0; number < 3000; number++) socket.send(number) }")
        until(page, "socket.all.length > 3000 || socket.all.some((event) => typeof event != 'string')")
        assert page.evaluate("socket.all") == ["open", *map(str, range(3000))]
        until(page, "socket.bufferedAmount == 0")


def test_what_was_sent_before_the_end_arrives(site: Site, worker: RunningWorker) -> None:
    page = site.open("ann", "sockets/")
    page.evaluate(
        """async () => {
            window.sockets = [...Array(20).keys()].map(() => open("story"));
            for (const socket of sockets) socket.onopen = () => {
                for (let number = 0; number < 10; number++) socket.send(number);
                socket.close(3000, "done");
            };
        }"""
    )
    until(page, "sockets.every(({readyState}) => readyState == 3)")
    assert page.evaluate("sockets.map(({all}) => all)") == [["open", [3000, "done"]]] * 20
    told = ended(page, 20)
    assert sum(name == "connect" for name, _ in told) == 20
    assert sorted(message for name, message in told if name == "message") == sorted([*range(10)] * 20)
    wait(lambda: len(worker) == 0)


def test_a_lost_connection_comes_back_to_another_object(
    site: Site, server: LiveServer, worker: RunningWorker, settings: Settings, errors: list[str]
) -> None:
    with Cable(server.port) as cable:
        settings.INSTANT_WEBSOCKET_URL = f"ws://127.0.0.1:{cable.port}"
        page = site.open("ann", "sockets/")
        page.evaluate("() => { window.socket = open('story'); window.once = open('story', {reconnect: false}) }")
        until(page, "socket.readyState == 1 && once.readyState == 1")
        page.evaluate("['count', 'count'].forEach((message) => socket.send(message))")
        happened(page, "open", "1", "2")
        cable.cut()
        happened(page, "open", "1", "2", "reconnecting")
        ended(page, 2)
        assert page.evaluate("socket.readyState") == 0
        assert (
            page.evaluate("(() => { try { socket.send('x') } catch ({name}) { return name } })()")
            == "InvalidStateError"
        )
        happened(page, "open", "error", [1006, "transport closed"], socket="once")
        cable.mend()
        happened(page, "open", "1", "2", "reconnecting", "open")
        page.evaluate("socket.send('count')")
        happened(page, "open", "1", "2", "reconnecting", "open", "1")
        assert [name for name, _ in handlers.happened].count("connect") == 3
        page.evaluate("instant.disconnect()")
        happened(page, "open", "1", "2", "reconnecting", "open", "1", [1000, "disconnect called"])
        ended(page, 3)
    errors.clear()  # the browser reports each attempt that failed


def test_a_worker_that_is_started_again(site: Site, worker: RunningWorker) -> None:
    page = site.open("ann", "sockets/")
    page.evaluate("() => { window.sockets = [...Array(20).keys()].map(() => open('echo')) }")
    until(page, "sockets.every(({readyState}) => readyState == 1)")
    worker.stop()
    until(page, "sockets.every(({readyState}) => readyState == 0)")
    with RunningWorker():
        until(page, "sockets.every(({readyState}) => readyState == 1)")
        page.evaluate("sockets.forEach((socket) => socket.send('again'))")
        until(page, "sockets.every(({all}) => all.includes('again'))")
        assert page.evaluate("sockets.map(({all}) => all)") == [["open", "reconnecting", "open", "again"]] * 20
        assert page.evaluate("instant.state") == "connected"


def test_who_is_refused(site: Site, worker: RunningWorker, settings: Settings, errors: list[str]) -> None:
    page = site.open("bob", "sockets/")
    for name, options, *end in [
        ("nobody", {}, 4404, "there is no socket 'nobody'"),
        ("adders", {}, 4403, "permission denied"),
        ("chosen", {"data": "no"}, 4403, "permission denied"),
        ("broken", {}, 4500, "internal error"),
    ]:
        page.evaluate("([name, options]) => { window.socket = open(name, options) }", [name, options])
        happened(page, "error", end)
        assert f"{end[1]} ({end[0]})" in errors.pop()
    assert page.evaluate("Object.keys(instant.client.subscriptions()).filter((name) => name.startsWith('ws:'))") == []
    page.evaluate("() => { window.socket = open('chosen', {data: 'let me in'}) }")
    happened(page, "open")
    assert errors == []


def test_too_many_sockets_are_tried_again(
    site: Site, worker: RunningWorker, settings: Settings, errors: list[str]
) -> None:
    settings.INSTANT_SOCKETS_LIMIT = 1
    page = site.open("ann", "sockets/")
    page.evaluate("() => { window.first = open('echo'); first.onopen = () => { window.socket = open('echo') } }")
    until(page, "window.socket")
    page.evaluate("() => { window.once = open('echo', {reconnect: false}) }")
    happened(page, "error", [1013, "too many sockets are open"], socket="once")
    assert page.evaluate("[socket.all, socket.readyState]") == [[], 0]
    page.evaluate("first.close()")
    happened(page, "open")
    errors.clear()


def test_who_logs_out_and_who_may_no_longer(site: Site, worker: RunningWorker, errors: list[str]) -> None:
    ways: list[tuple[str, list[Any]]] = [
        ("instant.logout()", [[1000, "logout called"]]),
        ("", ["error", [4501, "access revoked"]]),
    ]
    for leaves, end in ways:
        page = site.open("bob", "sockets/")
        page.evaluate("() => { window.socket = open('story') }")
        happened(page, "open")
        if leaves:
            page.evaluate(leaves)
        else:
            bob = User.objects.get(username="bob")
            bob.is_active = False
            bob.save()
        until(page, "socket.readyState == 3")
        assert [event for event in page.evaluate("socket.all") if event != "reconnecting"] == ["open", *end]
        page.evaluate("() => { window.socket = open('story') }")
        until(page, "socket.readyState == 3")
    assert len(ended(page, 2)) == 4
    errors.clear()  # of requests that were refused


def test_nobody_is_logged_in(site: Site, worker: RunningWorker) -> None:
    page = site.browser(None)
    page.goto(f"{site.url}/sockets/")
    page.evaluate("() => { window.socket = open('echo') }")
    happened(page, "error", [4401, "nobody is logged in"])


def test_a_page_that_is_kept_for_the_way_back(site: Site, worker: RunningWorker) -> None:
    page = site.open("ann", "sockets/")
    page.evaluate("() => { window.socket = open('story') }")
    happened(page, "open")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    ended(page, 1)
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    happened(page, "open", "reconnecting", "open")


def test_the_page_of_the_docs(site: Site, worker: RunningWorker) -> None:
    """docs/sockets-js.md, and the first of docs/sockets.md: their snippets run."""
    page = site.open("ann", "sockets/")
    told: list[str] = []
    page.on("console", lambda entry: told.append(entry.text))
    expected = [["Hello in lobby", "Hello in lobby"], ["closed 1000 bye"]]
    for block in snippets(ROOT / "docs/sockets-js.md"):
        assert block.language == "js"
        page.evaluate(f"async () => {{ {block.text} }}")
        for line in expected.pop(0):
            wait_for(page, lambda: told, line)
            assert told.pop(0) == line
    assert (told, expected) == ([], [])
    first = next(block for block in snippets(ROOT / "docs/sockets.md") if block.language == "js")
    page.evaluate(f"async () => {{ {first.text} }}")
    assert 0 <= int(wait_for(page, lambda: told, "a number")[0]) <= 100
