"""SignalQueue and call(), for tests of sites that use signals. They need no server, no Redis and no worker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..windows.dispatch import call
from ..windows.queued_calls import Call
from ..windows.recorder import pop, push
from ..windows.running import run
from .on_commit import CommitsInTest

__all__ = ["SignalQueue", "call"]


class SignalQueue:
    """Captures signals instead of sending them, while its block runs.

    `ws_signals` holds the signals for browsers: serialized topics, and lists of (name, arguments). `python_signals`
    holds the calls of Python functions: queues, and lists of [name, window info as a dict, arguments, from_client,
    serialized_client_topics, to_server, queue]. The queue None holds functions without a queue. With
    `immediate_execution` these functions are also called, and their errors propagate.

    In a TestCase nothing ever commits, so on-commit signals are triggered when one of the two attributes is read, and
    at the end of the block.
    """

    def __init__(self, immediate_execution: bool = False) -> None:
        self.immediate_execution = immediate_execution
        self._ws: dict[str, list[tuple[str, dict[str, Any]]]] = {}
        self._python: dict[str | None, list[list[Any]]] = {}
        self._executed: dict[str | None, int] = {}
        self._commits: CommitsInTest | None = None

    def __enter__(self) -> SignalQueue:
        self._commits = CommitsInTest()
        push(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._run_commits()
        finally:
            self._commits = None
            pop(self)

    @property
    def ws_signals(self) -> dict[str, list[tuple[str, dict[str, Any]]]]:
        """The signals sent to browsers, by topic."""
        self._run_commits()
        return self._ws

    @property
    def python_signals(self) -> dict[str | None, list[list[Any]]]:
        """The calls of functions on the server, by queue."""
        self._run_commits()
        return self._python

    def execute_delayed_signals(self, queues: Iterable[str | None] | None = None) -> None:
        """Call the captured functions of these queues, or of all, once each, and the functions that they trigger."""
        wanted = None if queues is None else set(queues)
        while True:
            calls = self._new_calls(wanted)
            if not calls:
                return
            for kept in calls:
                run(kept)

    def _new_calls(self, wanted: set[str | None] | None) -> list[Call]:
        found: list[Call] = []
        for queue, calls in self.python_signals.items():
            if wanted is None or queue in wanted:
                found += [Call(*kept) for kept in calls[self._executed.get(queue, 0) :]]
                self._executed[queue] = len(calls)
        return found

    def _run_commits(self) -> None:
        if self._commits is not None:
            self._commits.run()

    def take_signal(self, topics: Sequence[str], name: str, opts: dict[str, Any]) -> None:
        """Record a signal for browsers. Called by the code that sends signals."""
        for topic in topics:
            self._ws.setdefault(topic, []).append((name, opts))

    def take_call(self, queue: str | None, call: Call) -> None:
        """Record a call of a function. Called by the code that queues or calls functions."""
        calls = self._python.setdefault(queue, [])
        calls.append(list(call))
        if self.immediate_execution:
            self._executed[queue] = len(calls)
            run(call)
