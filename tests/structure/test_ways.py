from __future__ import annotations

import asyncio
import importlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, ModuleType

import pytest

from instant import publish
from tests.structure import ways
from tests.structure.ways import NotEntered, stack_at

_FRONT = """
from .back import Backend, arrive

def publish(times=1):
    for _ in range(times):
        deliver(Backend())

def deliver(backend):
    [one.send() for one in [backend]]

async def apublish():
    await Backend().asend()

def stray():
    return 1
"""
_BACK = """
import functools

def logged(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args)
    return inner

class Backend:
    @logged
    @logged
    def send(self):
        arrive()

    async def asend(self):
        (lambda: arrive())()

def arrive():
    return None
"""


@pytest.fixture
def front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module `way.front` of a small package."""
    package = tmp_path / "way"
    package.mkdir()
    for name, text in (("__init__", ""), ("front", _FRONT), ("back", _BACK)):
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("way.front")
    for name in ("way", "way.front", "way.back"):
        sys.modules.pop(name, None)


@pytest.fixture
def package(front: ModuleType) -> Path:
    return Path(str(front.__file__)).parent.resolve()


@pytest.fixture(params=["of the code", "of the source"])
def names(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names as Python 3.11 knows them, and as they are looked up in the source on 3.10."""
    if request.param == "of the source":

        def from_source(code: CodeType) -> str:
            return ways._names(code.co_filename)[code.co_firstlineno, code.co_name]

        monkeypatch.setattr(ways, "qualified_name", from_source)
    ways._step.cache_clear()


SEND = [
    ("way/front.py", "publish"),
    ("way/front.py", "deliver"),
    ("way/back.py", "logged.<locals>.inner"),
    ("way/back.py", "Backend.send"),
]


@pytest.mark.usefixtures("names")
def test_the_stack_is_recorded_from_the_outside(front: ModuleType, package: Path) -> None:
    assert stack_at("way/back.py:arrive", front.publish, package) == [*SEND, ("way/back.py", "arrive")]


@pytest.mark.usefixtures("names")
def test_a_decorated_method_has_its_own_name(front: ModuleType, package: Path) -> None:
    assert stack_at("way/back.py:Backend.send", lambda: front.publish(3), package) == SEND


def test_a_coroutine_is_on_the_stack(front: ModuleType, package: Path) -> None:
    assert stack_at("way/back.py:arrive", lambda: asyncio.run(front.apublish()), package) == [
        ("way/front.py", "apublish"),
        ("way/back.py", "Backend.asend"),
        ("way/back.py", "arrive"),
    ]


def test_a_thread_that_is_started_is_watched(front: ModuleType, package: Path) -> None:
    def run() -> None:
        thread = threading.Thread(target=front.publish)
        thread.start()
        thread.join()

    assert stack_at("way/back.py:Backend.send", run, package) == SEND


def test_a_function_that_is_not_entered_is_reported(front: ModuleType, package: Path) -> None:
    with pytest.raises(NotEntered, match=r"way/back.py:arrive was not entered.*: way/front.py:stray$"):
        stack_at("way/back.py:arrive", front.stray, package)
    with pytest.raises(NotEntered, match=r"way/back.py has no function Backend.sent"):
        stack_at("way/back.py:Backend.sent", front.publish, package)


def test_the_profile_function_is_put_back(front: ModuleType, package: Path) -> None:
    def before(*_: object) -> None: ...

    @contextmanager
    def profiled() -> Iterator[None]:
        sys.setprofile(before)
        try:
            yield
        finally:
            sys.setprofile(None)

    with profiled(), pytest.raises(ZeroDivisionError):
        stack_at("way/back.py:arrive", lambda: 1 // 0, package)
    with profiled():
        stack_at("way/back.py:arrive", front.publish, package)
        assert sys.getprofile() is before


def test_the_way_of_a_message_begins_at_publish(settings: object) -> None:
    settings.INSTANT_BROADCAST_WITH = "memory"  # type: ignore[attr-defined]
    steps = stack_at("instant/backends/memory.py:MemoryBackend.send", lambda: publish("public", "hi"))
    assert steps[0] == ("instant/producers.py", "publish")
    assert steps[-1] == ("instant/backends/memory.py", "MemoryBackend.send")
