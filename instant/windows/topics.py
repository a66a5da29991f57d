"""Topics of windows. A signal that is sent to a topic runs in all windows that have this topic.

INSTANT_TOPIC_SERIALIZER gives each topic a name. Each topic has a channel. The channel's name is a keyed hash of the
topic's name, so clients cannot read the topic from it. Django signs a page's list of channels for the user and the
session: a page can join only the channels of its own topics.
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
#: App labels that are also prefixes of other names. The names of the models of such an app begin with "-model.".
_TAKEN = {"broadcast", "window", "user", "int", "str", "model"}


@dataclass(frozen=True, slots=True)
class Window:
    """A page that is open in a browser tab, with its topics.

    `channels` are the channels that the page joins, the window's own channel first. `since` is the time at which the
    page's request began, in seconds since 1970. `guard` is the name of the permission of its topics, or "".
    """

    key: str
    channels: tuple[str, ...]
    since: float = 0.0
    guard: str = ""


def serialize_topic(window_info: WindowInfo | None, obj: Any) -> str | None:
    """Return the name of a topic, or None for a window or user that does not exist.

    Names are "-int.1", "-str.text", "-app.Model", "-app.Model.42", "-window.<key>", "-user.<pk>" and "-broadcast". If
    the label of an app is "int", for example, the names of its models begin with "-model.int".

    Raises:
        InvalidTopic: the topic is not text, an integer, a model or a saved object, or it is SERVER.
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
    raise InvalidTopic(f"a topic must be text, an integer, a model or a saved object, not {obj!r}")


def _special(info: WindowInfo, target: Target) -> str | None:
    if target is BROADCAST:
        return "-broadcast"
    if target is WINDOW:
        return f"-window.{info.window_key}" if info.window_key else None
    if target is USER:
        return f"-user.{info.user_id}" if info.user_id else None
    raise InvalidTopic(f"{target!r} is not a topic: use it only as a target of trigger()")


def _label(model: type[Model]) -> str:
    """Return the label of a model. A proxy has the label of its concrete model."""
    label = (model._meta.concrete_model or model)._meta.label
    return f"-model.{label}" if label.partition(".")[0] in _TAKEN else f"-{label}"


def serialized(topic: Any, info: WindowInfo) -> str | None:
    """Return the name of a topic from the serializer of the settings, or None for a window or user that does not exist.

    Raises:
        InvalidTopic: the topic cannot be serialized.
        InvalidSetting: the serializer cannot be imported.
    """
    name = topic_serializer()(info, topic)
    if name is not None and (not isinstance(name, str) or not name):
        raise InvalidTopic(
            f"INSTANT_TOPIC_SERIALIZER returned {name!r} for {topic!r}; it must return non-empty text, or None"
        )
    return name


def channel_of(topic: Any, info: WindowInfo) -> str | None:
    """Return the channel of a topic, or None for a window or user that does not exist.

    Raises:
        InvalidTopic: the topic cannot be serialized.
        InvalidSetting: the serializer cannot be imported.
    """
    name = serialized(topic, info)
    return None if name is None else channel_named(name)


def set_websocket_topics(request: HttpRequest, *topics: Any, permission: Permission | None = None) -> None:
    """Give these topics to the window that shows the response to `request`.

    Pass a list, or separate arguments. The topics of the window, of its user, and BROADCAST are added. If a view calls
    this function several times, the last call replaces the earlier topics. With a `permission`, the window has the
    topics only while the permission allows its user. The permission is called in this function, each time the page
    requests tokens, and by `recheck()`.

    Raises:
        InvalidTopic: a topic cannot be serialized, or there are more than INSTANT_MAX_TOPICS.
        InvalidSetting: windows are not in use, or the serializer cannot be imported.
        TypeError: `permission` is not a permission, or a function that another process cannot find by its name.
    """
    features.require_windows()
    began(request)
    guard = "" if permission is None else name_of(permission)
    given = topics[0] if len(topics) == 1 and isinstance(topics[0], list | tuple | set | frozenset) else topics
    info = WindowInfo.from_request(request)
    channels = list(dict.fromkeys(filter(None, (channel_of(topic, info) for topic in given))))
    if len(channels) > conf.INSTANT_MAX_TOPICS:
        raise InvalidTopic(
            f"a page cannot have {len(channels)} topics, because INSTANT_MAX_TOPICS is {conf.INSTANT_MAX_TOPICS}: "
            "use one topic that all of them share, and trigger that"
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
    """Return the channel of one window. It was empty when the page's request began, so the page misses no message."""
    return channel_of(WINDOW, WindowInfo(window_key=key))


def signed(window: Window, user: str, session: str, rights: str = "") -> str:
    """Return the window as signed text, which the page sends when it requests new tokens.

    It is valid for this user and session, while the fingerprint of the user's rights stays the same.
    """
    content: dict[str, Any] = {"w": window.key, "u": user, "s": session, "r": rights, "c": list(window.channels)}
    content |= {"t": window.since, "g": window.guard}
    return signing.dumps(content, salt=_salt(), compress=True)


def _salt() -> str:
    """Return the salt of the signature, which depends on the tenant.

    The tenants of a site share SECRET_KEY, and users of two tenants may have the same pk.
    """
    return f"{_SALT}.{conf.tenant}" if conf.INSTANT_TENANT else _SALT


def read(blob: object, user: str, session: str, rights: str = "") -> Window | None:
    """Return the window of a text from `signed`, or None if the text is not valid.

    The text is not valid if its signature is wrong, if it was signed for another user or session, if the rights have
    changed, or if it is older than SESSION_COOKIE_AGE (seconds).
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
