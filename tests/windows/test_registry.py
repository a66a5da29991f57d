from __future__ import annotations

import types

import pytest

from instant.exceptions import InvalidSignal
from instant.windows import everyone, registry, signal


@pytest.mark.parametrize("path", ["", "app:name", ":", "naïve", "a\nb", "\x00", "x" * 256, None, 5])
def test_a_path_that_the_server_would_not_hand_on_is_refused(path) -> None:
    with pytest.raises(InvalidSignal):
        signal(path)


@pytest.mark.parametrize("path", ["chat.say", "a.b.c-d_e", "app.name/1", "x"])
def test_other_paths_are_good(path: str) -> None:
    function = signal(path)(lambda window_info: None)
    assert registry.find(path)[0].function is function


def test_queue_and_guard_are_looked_at() -> None:
    with pytest.raises(InvalidSignal, match="queue"):
        signal("a", queue=5)
    with pytest.raises(InvalidSignal, match="queue"):
        signal("a", queue="")
    with pytest.raises(InvalidSignal, match="is_allowed_to"):
        signal("a", is_allowed_to="everyone")
    with pytest.raises(InvalidSignal, match="window_info as its first argument"):
        signal("a")(lambda: None)


def test_several_functions_have_one_path() -> None:
    first, second = signal("a")(lambda window_info: 1), signal("a")(lambda window_info: 2)
    assert [connection.function for connection in registry.find("a")] == [first, second]
    assert len(registry.registered()) == 2
    registry.remove("a")
    assert registry.find("a") == []


def test_a_function_is_connected_once() -> None:
    def function(window_info): ...

    signal("a")(function)
    signal("a", everyone)(function)
    assert [connection.is_allowed_to for connection in registry.find("a")] == [everyone]


def test_a_module_that_is_imported_under_two_names_connects_once() -> None:
    code = compile(
        "from instant.windows import signal\n@signal('a')\ndef function(window_info): ...", "signals.py", "exec"
    )
    for name in ("app.signals", "project.app.signals"):
        exec(code, types.ModuleType(name).__dict__)
    (connection,) = registry.find("a")
    assert "signals.py:2" in str(connection)
