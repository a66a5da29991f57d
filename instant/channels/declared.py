"""The channels of the settings: their names, their levels, and the pages that join them.

`INSTANT_STAFF_CHANNELS = [["$ops", ["/ops/*"]], ["$desk"]]`: pages below /ops/ join the first channel, all pages join
the second. A name has one level. If two settings declare a name with different levels, the stricter level wins. If the
settings and a row of the admin have different levels, the setting wins, so that no row can open a channel that the
settings restrict. `manage.py check` reports both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from .. import protocol
from ..conf.settings import conf
from ..exceptions import InvalidChannel, InvalidSetting
from .names import is_private
from .namespaces import check_own_name, namespaces

#: The setting of each level, the strictest first.
SETTINGS = {
    protocol.SUPERUSER: "INSTANT_SUPERUSER_CHANNELS",
    protocol.STAFF: "INSTANT_STAFF_CHANNELS",
    protocol.USERS: "INSTANT_USERS_CHANNELS",
    protocol.PUBLIC: "INSTANT_PUBLIC_CHANNELS",
}
DEFAULT = "INSTANT_PUBLIC_CHANNEL"
_FORM = '[["$name"], ["$other", ["/a/path/", "/prefix/*"]]]'


@dataclass(frozen=True, slots=True)
class Declared:
    """A channel of the settings. Without paths, every page joins it. `setting` is the first that declares it."""

    name: str
    level: str
    paths: tuple[str, ...] = ()
    setting: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake in settings that have a valid form: the id of the system check, and the text of the error."""

    check_id: str
    text: str


@dataclass(frozen=True, slots=True)
class _Found:
    values: tuple[Any, ...]
    by_name: Mapping[str, Declared]
    faults: tuple[Fault, ...]


#: The values of the settings at the last call, as copies. So a list that was changed in place is noticed.
_last = _Found((), {}, ())


def declared() -> list[Declared]:
    """Return the channels of the settings, each name once, ordered by name.

    Raises:
        InvalidSetting: a setting has a wrong form, or contains a name that clients could not join.
    """
    return list(_found().by_name.values())


def find(name: str) -> Declared | None:
    """Return the channel of this name, or None if no setting declares it.

    Raises:
        InvalidSetting: as with `declared`.
    """
    return _found().by_name.get(name)


def faults() -> tuple[Fault, ...]:
    """Return what `manage.py check` reports: a missing or superfluous `$`, or a name with two levels.

    Raises:
        InvalidSetting: as with `declared`.
    """
    return _found().faults


def default_channel() -> str | None:
    """Return the channel for messages without a channel, or None if INSTANT_ENABLE_PUBLIC_CHANNEL is False."""
    if not conf.INSTANT_ENABLE_PUBLIC_CHANNEL:
        return None
    return conf.INSTANT_PUBLIC_CHANNEL or f"{conf.SITE_SLUG}_public"


def is_joined_at(paths: Iterable[str], path: str) -> bool:
    """Report whether a page at `path` joins a channel with these paths.

    The path is equal to one of them, or is below a "/prefix/*". Without paths, every page joins the channel.
    """
    patterns = list(paths)
    return not patterns or any(
        path.startswith(pattern[:-1]) if pattern.endswith("/*") else path == pattern for pattern in patterns
    )


def fault_of_paths(paths: object) -> str | None:
    """Return the error in the paths of a channel, or None if they are valid."""
    if not isinstance(paths, list | tuple):
        return f"paths must be a list of strings, not {paths!r}"
    for path in paths:
        if not isinstance(path, str) or not path.startswith("/"):
            return f"a path must start with a /, like /news/ or /news/*; {path!r} does not"
        if not path.isprintable():  # PostgreSQL's JSON has no NUL and no halves of surrogate pairs
            return f"a path must be printable text; {path!r} is not"
        if "*" in path.removesuffix("/*"):
            return f"a path may have a * only at its end and after a /, like /news/*; {path!r} does not"
    return None


def _found() -> _Found:
    global _last  # noqa: PLW0603
    values = (*(getattr(conf, name) for name in SETTINGS.values()), default_channel(), tuple(namespaces()))
    found = _last
    if found.values != values:
        found = _last = _read(values)
    return found


def _read(values: tuple[Any, ...]) -> _Found:
    found: dict[str, Declared] = {}
    faults: list[Fault] = []
    for channel in _channels(values):
        if is_private(channel.name) is (channel.level == protocol.PUBLIC):
            faults.append(_wrong_prefix(channel))
        before = found.get(channel.name)
        if before is None:
            found[channel.name] = channel
        elif before.level == channel.level:
            found[channel.name] = _merged(before, channel)
        else:  # SETTINGS has the strictest level first, so that one stays
            faults.append(_two_levels(before, channel))
    return _Found(deepcopy(values), dict(sorted(found.items())), tuple(faults))


def _channels(values: tuple[Any, ...]) -> Iterator[Declared]:
    for (level, setting), items in zip(SETTINGS.items(), values, strict=False):
        if not isinstance(items, list | tuple):
            raise InvalidSetting(f"{setting} is {items!r}; it must be a list of channels: {_FORM}.")
        for item in items:
            yield _channel(level, setting, item)
    default = values[len(SETTINGS)]
    if default is not None:
        yield _channel(protocol.PUBLIC, DEFAULT, [default])


def _channel(level: str, setting: str, item: object) -> Declared:
    if not isinstance(item, list | tuple) or not 1 <= len(item) <= 2:
        raise InvalidSetting(
            f"{setting} has {item!r}; each channel must be a list of its name and, if only some pages join it, a list "
            f"of their paths: {_FORM}."
        )
    name, paths = item[0], item[1] if len(item) == 2 else ()
    try:
        check_own_name(name)
    except InvalidChannel as error:
        raise InvalidSetting(f"{setting}: {error}") from error
    if fault := fault_of_paths(paths):
        raise InvalidSetting(f"{setting}, channel {name!r}: {fault}; the form is {_FORM}.")
    return Declared(name, level, tuple(paths), setting)


def _merged(first: Declared, second: Declared) -> Declared:
    both = first.paths and second.paths  # all pages join a channel without paths
    return Declared(first.name, first.level, first.paths + second.paths if both else (), first.setting)


def _wrong_prefix(channel: Declared) -> Fault:
    text = f"{channel.setting} declares {channel.name!r}, but the name of a private channel must start with a $"
    if channel.level == protocol.PUBLIC:
        text = f"{channel.setting} declares {channel.name!r}, but the name of a public channel must have no $"
    return Fault("instant.E005", f"{text}.")


def _two_levels(first: Declared, second: Declared) -> Fault:
    text = f"{first.setting} and {second.setting} both declare {first.name!r}; the second one is ignored."
    return Fault("instant.E006", text)
