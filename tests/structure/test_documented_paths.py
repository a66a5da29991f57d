"""Each Python path that the documentation named before the modules moved can still be imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.structure.documented_paths import FILE, paths_of

ROOT = Path(__file__).parents[2]
DOCUMENTED: dict[str, Any] = json.loads(FILE.read_text())
PATHS: list[dict[str, Any]] = DOCUMENTED["paths"]

#: Imports each path as a user does, and writes what went wrong, by the path. It stops at the first error of each.
_IMPORT_ALL = """
import json, operator, sys, traceback
import django
# An editable install would lend modules of its tree to another one.
sys.meta_path[:] = [finder for finder in sys.meta_path if getattr(finder, "__name__", "") != "_EditableFinder"]
django.setup()
failed = {}
for module, name in json.load(sys.stdin):
    first, _, rest = name.partition(".")
    names = {}
    try:
        exec(f"from {module} import {first}" if name else f"import {module}", names)
        rest and operator.attrgetter(rest)(names[first])
    except Exception as error:
        failed[f"{module}.{name}".rstrip(".")] = "".join(traceback.format_exception_only(type(error), error)).strip()
json.dump(failed, sys.stdout)
"""


def _django(code: str, given: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, input=json.dumps(given), env=environment, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def failed() -> dict[str, str]:
    """The paths that cannot be imported in a fresh process with Django set up, each with its error."""
    done = _django(_IMPORT_ALL, [(path["module"], path["name"]) for path in PATHS])
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path['module']}.{path['name']}".rstrip("."))
def test_the_path_can_be_imported(path: dict[str, Any], failed: dict[str, str]) -> None:
    name = f"{path['module']}.{path['name']}".rstrip(".")
    assert name not in failed, f"{name}, named by {', '.join(path['sources'])}: {failed[name]}"


_CHECK = """
import json, sys
import django
from django.conf import settings
from django.core.management import call_command
for name, value in json.load(sys.stdin).items():
    setattr(settings, name, value)
django.setup()
call_command("check")
"""


def _check(topics: str, middlewares: list[str]) -> subprocess.CompletedProcess[str]:
    return _django(_CHECK, {"WEBSOCKET_TOPIC_SERIALIZER": topics, "WINDOW_INFO_MIDDLEWARES": middlewares})


def test_settings_may_hold_the_paths_of_df_websockets() -> None:
    serializer, *middlewares = DOCUMENTED["mapped"]
    done = _check(serializer, middlewares)
    assert done.returncode == 0, done.stderr


def test_settings_may_hold_our_paths_for_them() -> None:
    serializer, *middlewares = DOCUMENTED["mapped"].values()
    done = _check(serializer, middlewares)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_wrong_path_in_these_settings_is_reported() -> None:
    """Without this report the two tests above would not show that the settings are read."""
    serializer = "df_websockets.topics.serialize_topic"
    assert "df_websockets.topics.gone" in _check("df_websockets.topics.gone", []).stderr
    assert "df_websockets.ws_middleware.Gone" in _check(serializer, ["df_websockets.ws_middleware.Gone"]).stderr


def test_paths_are_found_in_a_document() -> None:
    text = """
`instant.middleware.InstantMiddleware`, and `from instant import html`.
`instant.E001` and `instant/page.js` are not paths.

| was | is |
|---|---|
| `df_websockets.tasks`: `trigger`, `SERVER` | `instant.windows` |
| `df_websockets.utils.SerializedForm` | `instant.windows` |

```python
from instant import events
from instant.windows import (
    signal,
    trigger as call,
)
events.muted()
```

```js
instant.on("x", () => {});
```
"""
    assert sorted(set(paths_of(text))) == [
        "instant",
        "instant.events",
        "instant.events.muted",
        "instant.html",
        "instant.middleware.InstantMiddleware",
        "instant.windows",
        "instant.windows.SERVER",
        "instant.windows.SerializedForm",
        "instant.windows.signal",
        "instant.windows.trigger",
    ]
