"""The defects of django-instant 4.2, and the test of each. This module runs these tests."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from tests.snippets import ROOT
from tests.waiting import FACTOR

#: Seconds that the tests of one language may take.
LONGEST = 240 * FACTOR
FRONTEND = ROOT / "frontend"

#: Each defect, and the file and the beginning of the name of its test (in TypeScript: a part of the name).
DEFECTS = {
    "S1 private channels in a namespace were not private": "tests/test_defects.py::test_s1_",
    "S2 a form of another site logged a visitor in": "tests/test_defects.py::test_s2_",
    "S3 login answered with the tokens of another user": "tests/test_defects.py::test_s3_",
    "S4 a group opened a channel of level staff": "tests/test_defects.py::test_s4_",
    "S5 tokens lived for 24 hours": "tests/test_defects.py::test_s5_",
    "S5 logging out revoked nothing": "tests/revocation/test_revocation.py::test_logging_out_disconnects",
    "S5 leaving a group revoked nothing": "tests/revocation/test_revocation.py::test_every_way_out_of_a_group",
    "S5 deactivating a user revoked nothing": "tests/revocation/test_revocation.py::test_a_deactivated_user_is_disconnected",
    "S5 deactivating a channel revoked nothing": "tests/revocation/test_revocation.py::test_a_channel_that_changes_drops",
    "S6 authenticate() got no request": "tests/test_defects.py::test_s6_",
    "S7 answers with tokens were cached": "tests/test_defects.py::test_s7_",
    "S7 the client printed tokens": "frontend/tests/core/connection.test.ts::print no token",
    "S7 the 4.x client printed tokens": "frontend/tests/legacy/version4.test.ts::prints no token",
    "S8 installws ran an unchecked download": "tests/centrifugo/test_install.py::test_versions_and_sums_that_do_not_exist",
    "C1 publish() did not work with cent 5": "tests/centrifugo/test_cent_api.py::test_subscribers_are_those_of_this_very_channel",
    "C2 a channel came twice": "tests/test_defects.py::test_c2_",
    "C2 a channel that came twice stopped the others": "frontend/tests/core/channels.test.ts::do not stop the others",
    "C3 a:b:c became a:$b": "tests/test_defects.py::test_c3_",
    "C4 a duplicate name was a 500": "tests/test_defects.py::test_c4_",
    "C5 bulk writes knew nothing of the $": "tests/test_defects.py::test_c5_",
    "C6 arguments too many were swallowed": "tests/test_defects_sending.py::test_c6_",
    "C7 settings were frozen at import": "tests/test_defects_sending.py::test_c7_",
    "C8 public channels were out of reach of visitors": "tests/test_defects.py::test_c8_",
    "C9 login before init asked undefined": "frontend/tests/legacy/version4.test.ts::says what is wrong before init",
    "C9 init twice doubled the channels": "frontend/tests/legacy/version4.test.ts::has no doubled channels after a second init",
    "C9 connect() never rejected": "frontend/tests/core/connection.test.ts::refuse who is not logged in",
    "C9 there was no unsubscribe": "frontend/tests/core/channels.test.ts::can be joined, left and joined again",
    "C9 there was no logout": "frontend/tests/core/connection.test.ts::log in, connect, log out",
    "R1 after its token a page was dead": "frontend/tests/core/tokenRequests.test.ts::renew themselves on a living connection",
    "R1 the 4.x client renewed nothing": "frontend/tests/legacy/version4.test.ts::renews its tokens",
    "R2 what was missed was lost": "frontend/tests/core/channels.test.ts::recover what was published while",
    "R3 bad bodies of login were a 500": "tests/test_defects.py::test_r3_",
    "R4 a server that is down broke the caller": "tests/test_defects_sending.py::test_r4_",
    "R5 a failed download left a mess": "tests/centrifugo/test_install.py::test_a_failing_download",
}


def test_all_are_here() -> None:
    found = {defect.split()[0] for defect in DEFECTS}
    assert found == {*(f"S{n}" for n in range(1, 9)), *(f"C{n}" for n in range(1, 10)), *(f"R{n}" for n in range(1, 6))}


def places(suffix: str) -> dict[str, tuple[str, str]]:
    """Return the defects whose tests are in files with this suffix: file and name."""
    split = {defect: place.partition("::") for defect, place in DEFECTS.items()}
    return {defect: (path, name) for defect, (path, _, name) in split.items() if path.endswith(suffix)}


def missing(wanted: dict[str, tuple[str, str]], passed: set[tuple[str, str]], begins: bool) -> list[str]:
    """Return the defects of which no test has passed."""
    return [
        defect
        for defect, (path, name) in wanted.items()
        if not any(path == where and (test.startswith(name) if begins else name in test) for where, test in passed)
    ]


@pytest.mark.slow
def test_the_tests_in_python_pass() -> None:
    wanted = places(".py")
    names = {
        f"{path}::{found}"
        for path, name in wanted.values()
        for found in re.findall(rf"^(?:async )?def ({name}\w*)", (ROOT / path).read_text(), re.MULTILINE)
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rp",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
        *sorted(names),
    ]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "FAILED_TESTS"))
    }
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LONGEST)
    assert done.returncode == 0, done.stdout
    passed = set(re.findall(r"^PASSED ([^:\n]+)::(\w+)", done.stdout, re.MULTILINE))
    assert missing(wanted, passed, begins=True) == []


@pytest.mark.node
def test_the_tests_in_typescript_pass() -> None:
    if not (FRONTEND / "node_modules").is_dir():
        pytest.skip("npm ci was not run in frontend/")
    wanted = places(".ts")
    files = sorted({path.removeprefix("frontend/") for path, _ in wanted.values()})
    names = "|".join(re.escape(name) for _, name in wanted.values())
    command = ["npx", "vitest", "run", "--reporter", "json", *files, "--testNamePattern", names]
    environment = {**os.environ, "INSTANT_PYTHON": sys.executable}
    done = subprocess.run(command, cwd=FRONTEND, env=environment, capture_output=True, text=True, timeout=LONGEST)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = {
        (os.path.relpath(file["name"], ROOT), test["title"])
        for file in json.loads(done.stdout[done.stdout.index("{") :])["testResults"]
        for test in file["assertionResults"]
        if test["status"] == "passed"
    }
    assert missing(wanted, passed, begins=False) == []
