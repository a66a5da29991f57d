"""The gate: what it repeats, and what it reports."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gate import Result, judge, may_repeat, run

A, B, C = (("tests/a.py::a", "first traceback"), ("tests/b.py::b", "another one"), ("tests/c.py::c", "a third one"))


def test_all_passed() -> None:
    assert judge(Result(0), None) == (True, [], [])


@pytest.mark.parametrize(
    ("status", "failures", "repeats"),
    [(1, [A], True), (1, [A, B], True), (1, [A, A, B], True), (1, [A, B, C], False), (2, [A], False), (1, [], False)],
)
def test_at_most_two_tests_are_repeated(status: int, failures: list[tuple[str, str]], repeats: bool) -> None:
    assert may_repeat(Result(status, failures)) == repeats


def test_more_failures_are_not_repeated_and_fail() -> None:
    assert judge(Result(1, [A, B, C]), None) == (False, [], [A[0], B[0], C[0]])


def test_who_passes_then_is_flaky_with_the_first_traceback() -> None:
    again = ("tests/a.py::a", "second traceback")
    assert judge(Result(1, [A]), Result(0)) == (True, [A], [])
    assert judge(Result(1, [A, B]), Result(1, [again])) == (False, [B], [A[0]])


@pytest.mark.slow
def test_failures_are_recorded_with_their_tracebacks(tmp_path: Path) -> None:
    """By a run of a test that fails, in the folder of the tests, whose conftest records it."""
    module = Path(__file__).with_name("failing_example.py")
    module.write_text("def test_one():\n    assert 1 == 2\n\n\ndef test_other():\n    pass\n")
    try:
        result = run(["-p", "no:randomly", str(module)], tmp_path)
    finally:
        module.unlink()
    assert result.status == 1
    ((name, text),) = result.failures
    assert name == "tests/failing_example.py::test_one"
    assert "assert 1 == 2" in text


@pytest.mark.slow
def test_children_can_be_interrupted_where_sigint_is_ignored(tmp_path: Path) -> None:
    """As in `make test &` of a script."""
    module = Path(__file__).with_name("interrupted_example.py")
    module.write_text(
        "import signal\n\n\ndef test_default():\n    assert signal.getsignal(signal.SIGINT) != signal.SIG_IGN\n"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", str(module)],
            cwd=module.parents[1],
            env={**os.environ, "FAILED_TESTS": ""},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        module.unlink()
    assert done.returncode == 0, done.stdout
