import asyncio, pytest, time
from typing import Any
from . import handlers
from .running import wait
from .clients import SocketClient
import tests.clients, tests.sockets.clients

@pytest.mark.parametrize("number", range(60))
def test_repro(client: SocketClient, worker, monkeypatch: pytest.MonkeyPatch, told: list[Any], number) -> None:
    monkeypatch.setattr(tests.clients, "TIMEOUT", 8)
    monkeypatch.setattr("instant.sockets.connection.MOST_UNREAD", 10)
    client.open("story")
    client.send("slow")
    wait(lambda: told[-1] == ("message", "slow"))
    client.send_quietly(*range(20))
    try:
        assert client.closed() == [4503, "too many messages unread"]
    except AssertionError:
        import threading, gc
        from instant.devserver.thread import ThreadedDevServer
        srv = [o for o in gc.get_objects() if isinstance(o, asyncio.AbstractEventLoop)]
        for loop in srv:
            print("=====", loop)
            try: tasks = asyncio.all_tasks(loop)
            except Exception as e: print(e); continue
            for task in tasks:
                c = task.get_coro(); chain = []
                while c is not None:
                    f = getattr(c, "cr_frame", None) or getattr(c, "gi_frame", None) or getattr(c, "ag_frame", None)
                    chain.append(f"{getattr(c,'__qualname__',type(c))}:{f.f_lineno if f else ''}")
                    c = getattr(c, "cr_await", None) or getattr(c, "gi_yieldfrom", None) or getattr(c, "ag_await", None)
                print(" > ".join(chain), task._fut_waiter)
        print([(s.outgoing.__dict__, s.__dict__) for s in worker.serving.crowd._running])
        raise
    handlers.release.set()
    wait(lambda: told[-1][0] == "close")
    assert len(told) == 4
