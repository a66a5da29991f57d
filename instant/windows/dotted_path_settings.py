"""Settings that are dotted paths. The settings of df_websockets are supported, too."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.utils.module_loading import import_string

from ..conf.settings import conf
from ..exceptions import InvalidMessage, InvalidSetting
from ..legacy.df_websockets_settings import current_path

ENCODER = "django.core.serializers.json.DjangoJSONEncoder"
SERIALIZER = "instant.windows.topics.serialize_topic"


def signal_encoder() -> type[json.JSONEncoder]:
    """Return the class that encodes the arguments of signals as JSON.

    Raises:
        InvalidSetting: it cannot be imported.
    """
    found: type[json.JSONEncoder] = imported(
        "INSTANT_SIGNAL_ENCODER", conf.INSTANT_SIGNAL_ENCODER or conf.WEBSOCKET_SIGNAL_ENCODER or ENCODER
    )
    return found


def topic_serializer() -> Callable[[Any, Any], str | None]:
    """Return the function that names topics. Its arguments are a window's info and a topic.

    Raises:
        InvalidSetting: it cannot be imported.
    """
    found: Callable[[Any, Any], str | None] = imported(
        "INSTANT_TOPIC_SERIALIZER", conf.INSTANT_TOPIC_SERIALIZER or conf.WEBSOCKET_TOPIC_SERIALIZER or SERIALIZER
    )
    return found


def imported(setting: str, path: str) -> Any:
    """Return the object that a setting names by its dotted path. A path of df_websockets returns our equivalent.

    Raises:
        InvalidSetting: the path cannot be imported.
    """
    try:
        return import_string(current_path(path))
    except ImportError as error:
        raise InvalidSetting(f"{setting} is {path!r}, which cannot be imported: {error}") from error


def plain(value: Any) -> Any:
    """Return `value` as JSON-serializable data, encoded by the encoder of the settings.

    Raises:
        InvalidMessage: the value cannot be encoded.
        InvalidSetting: the encoder cannot be imported.
    """
    try:
        return json.loads(json.dumps(value, cls=signal_encoder(), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidMessage(f"the arguments or result of a signal cannot be encoded as JSON: {error}") from error
