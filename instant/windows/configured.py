"""What settings name by a dotted path; the names of df_websockets are read too."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.utils.module_loading import import_string

from ..conf import conf
from ..exceptions import InvalidMessage, InvalidSetting

if TYPE_CHECKING:
    from .middlewares import InfoMiddleware

ENCODER = "django.core.serializers.json.DjangoJSONEncoder"
SERIALIZER = "instant.windows.topics.serialize_topic"
MIDDLEWARES = tuple(
    f"instant.windows.middlewares.{name}"
    for name in ("WindowKeyMiddleware", "DjangoAuthMiddleware", "Djangoi18nMiddleware", "BrowserMiddleware")
)

#: Where things are that the settings of df_websockets name.
_MOVED = {
    "df_websockets.topics.serialize_topic": SERIALIZER,
    **{path.replace("instant.windows.middlewares", "df_websockets.ws_middleware"): path for path in MIDDLEWARES},
}


def signal_encoder() -> type[json.JSONEncoder]:
    """Return the class that writes the arguments of signals as JSON."""
    found: type[json.JSONEncoder] = _imported(
        "INSTANT_SIGNAL_ENCODER", conf.INSTANT_SIGNAL_ENCODER or conf.WEBSOCKET_SIGNAL_ENCODER or ENCODER
    )
    return found


def topic_serializer() -> Callable[[Any, Any], str | None]:
    """Return the function that names topics: of a window info and the topic."""
    found: Callable[[Any, Any], str | None] = _imported(
        "INSTANT_TOPIC_SERIALIZER", conf.INSTANT_TOPIC_SERIALIZER or conf.WEBSOCKET_TOPIC_SERIALIZER or SERIALIZER
    )
    return found


def info_middlewares() -> tuple[InfoMiddleware, ...]:
    """Return what fills a WindowInfo, in order."""
    own, old = conf.INSTANT_WINDOW_INFO_MIDDLEWARES, conf.WINDOW_INFO_MIDDLEWARES
    paths = own if own is not None else old if old is not None else MIDDLEWARES
    if not isinstance(paths, list | tuple) or not all(isinstance(path, str) for path in paths):
        raise InvalidSetting(f"INSTANT_WINDOW_INFO_MIDDLEWARES is {paths!r}; it must be a list of dotted paths.")
    return _made(tuple(paths))


def _imported(setting: str, path: str) -> Any:
    try:
        return import_string(_MOVED.get(path, path))
    except ImportError as error:
        raise InvalidSetting(f"{setting} is {path!r}, which cannot be imported: {error}") from error


@lru_cache(maxsize=16)
def _made(paths: Sequence[str]) -> tuple[InfoMiddleware, ...]:
    return tuple(_imported("INSTANT_WINDOW_INFO_MIDDLEWARES", path)() for path in paths)


def plain(value: Any) -> Any:
    """Return what JSON makes of `value`, as the encoder of the settings writes it.

    Raises:
        InvalidMessage: it cannot be written.
    """
    try:
        return json.loads(json.dumps(value, cls=signal_encoder(), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidMessage(f"a signal's arguments that cannot be written as JSON: {error}") from error
