"""Topics: the subjects of windows. The serializer of the settings names a topic. The name of its channel is a keyed
hash, which reveals nothing.

A page's list of channels is signed, and bound to user and session: a page can join only the topics that it was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core import signing
from django.db.models import Model
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from .. import features
from ..access.guards import Permission
from ..access.named_guards import is_allowed, name_of
from ..channels.user_ids import user_of
from ..conf.settings import conf
from ..exceptions import InvalidTopic
from .dotted_path_settings import topic_serializer
from .targets import BROADCAST, USER, WINDOW, Target
from .window_info import WindowInfo
from .window_keys import bare, began, channel_named, window_key

_SALT = "instant.window"
#: First parts of names that are not model names.
_TAKEN = {"broadcast", "window", "user", "int", "str", "model"}


@dataclass(frozen=True, slots=True)
class Window:
    """A window: its key, and the channels that its page joins, its own one first; the time at which the page began, in
    seconds since 1970, and the name of the permission that it got with its topics.
    """

    key: str
    channels: tuple[str, ...]
    since: float = 0.0
    guard: str = ""


def serialize_topic(window_info: WindowInfo | None, obj: Any) -> str | None:
    """Return the name of a topic: "-int.1", "-str.text", "-app.Model", "-app.Model.42", "-window.<key>"; None if there
    is no such window or user.

    Raises:
        InvalidTopic: the topic is not text, an integer, a model, or a saved object.
    """
    if isinstance(obj, Target):
        return _special(window_info or WindowInfo(), obj)
    if isinstance(obj, str):
        return f"-str.{obj}"
    if isinstance(obj, int) and not isinstance(obj, bool):
        return f"-int.{int(obj)}"
    if isinstance(obj, type) and issubclass(obj, Model):
        return _label(obj)
    if isinstance(obj, Model) and obj.pk is not None:
        return f"{_label(type(obj))}.{obj.pk}"
    raise InvalidTopic(f"a topic is text, an integer, a model, or an object that is saved, not {obj!r}")


def _special(info: WindowInfo, target: Target) -> str | None:
    if target is BROADCAST:
        return "-broadcast"
    if target is WINDOW:
        return f"-window.{info.window_key}" if info.window_key else None
    if target is USER:
        return f"-user.{info.user_id}" if info.user_id else None
    raise InvalidTopic(f"{target!r} is no topic: windows cannot join it")


def _label(model: type[Model]) -> str:
    """Return the label of a model. A proxy has the label of its model."""
    label = (model._meta.concrete_model or model)._meta.label
    return f"-model.{label}" if label.partition(".")[0] in _TAKEN else f"-{label}"


def serialized(topic: Any, info: WindowInfo) -> str | None:
    """Return the name of a topic from the serializer of the settings; None if there is no such window or user.

    Raises:
        InvalidTopic: it returns no name.
    """
    name = topic_serializer()(info, topic)
    if name is not None and (not isinstance(name, str) or not name):
        raise InvalidTopic(f"INSTANT_TOPIC_SERIALIZER made {name!r} of {topic!r}; it must be text")
    return name


def channel_of(topic: Any, info: WindowInfo) -> str | None:
    """Return the channel of a topic; None if there is no such window or user.

    Raises:
        InvalidTopic: the topic cannot be serialized.
    """
    name = serialized(topic, info)
    return None if name is None else channel_named(name)


def set_websocket_topics(request: HttpRequest, *topics: Any, permission: Permission | None = None) -> None:
    """Let the window that shows the response to `request` join these topics: a list, or separate arguments.

    Its own topic, its user's and BROADCAST are added. Of several calls the last one counts. With a `permission` the
    window has the topics only while that allows its user: it is called now, and each time the page gets tokens.

    Raises:
        InvalidTopic: a topic cannot be serialized, or there are more than INSTANT_MAX_TOPICS.
        InvalidSetting: windows are not in use.
        TypeError: `permission` is not a permission, or a function that another process could not find by its name.
    """
    features.require_windows()
    began(request)
    guard = "" if permission is None else name_of(permission)
    given = topics[0] if len(topics) == 1 and isinstance(topics[0], list | tuple | set | frozenset) else topics
    info = WindowInfo.from_request(request)
    channels = list(dict.fromkeys(filter(None, (channel_of(topic, info) for topic in given))))
    if len(channels) > conf.INSTANT_MAX_TOPICS:
        raise InvalidTopic(
            f"{len(channels)} topics for one page, more than INSTANT_MAX_TOPICS ({conf.INSTANT_MAX_TOPICS}): "
            "let it join one that all of them share, and trigger that"
        )
    is_denied = bool(guard) and not is_allowed(guard, user_of(request))
    bare(request).instant_topics = ([], "") if is_denied else (channels, guard)


def window_of(request: HttpRequest) -> Window:
    """Return the window that shows the response to `request`. A page without topics has a window, too."""
    info = WindowInfo.from_request(request)
    own = [channel_of(target, info) for target in (WINDOW, USER, BROADCAST)]
    topics, guard = getattr(bare(request), "instant_topics", ([], ""))
    channels = tuple(dict.fromkeys(filter(None, [*own, *topics])))
    return Window(window_key(request), channels, began(request), guard)


def own_channel(key: str) -> str | None:
    """Return the channel of one window. It is new, so that its page gets all its messages."""
    return channel_of(WINDOW, WindowInfo(window_key=key))


def signed(window: Window, user: str, session: str, rights: str = "") -> str:
    """Return the window as signed text, with which its page gets new tokens. It is valid for this user and session,
    while the fingerprint of the user's rights is the same.
    """
    content: dict[str, Any] = {"w": window.key, "u": user, "s": session, "r": rights, "c": list(window.channels)}
    content |= {"t": window.since, "g": window.guard}
    return signing.dumps(content, salt=_salt(), compress=True)


def _salt() -> str:
    """Return the salt of signatures. Tenants of a site share SECRET_KEY, and may have users with the same pk."""
    return f"{_SALT}.{conf.tenant}" if conf.INSTANT_TENANT else _SALT


def read(blob: object, user: str, session: str, rights: str = "") -> Window | None:
    """Return the window of a text from `signed`; None if the signature is wrong, it belongs to another user or session,
    the rights have changed, or it is too old.
    """
    if not isinstance(blob, str):
        return None
    try:
        content: Any = signing.loads(blob, salt=_salt(), max_age=settings.SESSION_COOKIE_AGE)
    except (signing.BadSignature, ValueError):
        return None
    if not isinstance(content, Mapping) or content.get("u") != user or content.get("s") != session:
        return None
    if not constant_time_compare(str(content.get("r")), rights):
        return None
    return Window(content["w"], tuple(content["c"]), content.get("t", 0.0), content.get("g", ""))
