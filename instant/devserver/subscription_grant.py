"""The options of a subscription, from the namespace, a token or the server API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from instant.devserver import wire_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from instant.devserver.config_options import ChannelOptions

_OVERRIDES = {
    "presence": "presence",
    "join_leave": "join_leave",
    "force_push_join_leave": "push_join_leave",
    "force_recovery": "recovery",
    "force_positioning": "positioning",
}


@dataclass(frozen=True)
class Grant:
    """The options of one subscription. `expire_at` is in Unix time; 0 means never."""

    options: ChannelOptions
    source: str
    presence: bool
    join_leave: bool
    push_join_leave: bool
    recovery: bool
    positioning: bool
    auto_recover: bool = False
    expire_at: int = 0
    info: Any = wire_json.MISSING
    data: Any = wire_json.MISSING

    @classmethod
    def from_options(cls, options: ChannelOptions, source: str) -> Grant:
        """Return what the namespace grants to every subscriber."""
        return cls(
            options=options,
            source=source,
            presence=options.presence,
            join_leave=options.join_leave,
            push_join_leave=options.force_push_join_leave,
            recovery=options.force_recovery,
            positioning=options.force_positioning,
        )

    @classmethod
    def from_request(
        cls, options: ChannelOptions, request: Mapping[str, Any], source: str, *, expire_at: int = 0
    ) -> Grant:
        """Return the namespace's options with the changes of a token's claims or an API call.

        These are `override`, `info` and `data`, or `b64info` and `b64data`.

        Raises:
            ValueError: a field is invalid.
        """
        changes: dict[str, Any] = {"expire_at": expire_at}
        overrides = wire_json.read_object(request, "override") or {}
        for name, attribute in _OVERRIDES.items():
            override = wire_json.read_object(overrides, name)
            if override is not None:
                changes[attribute] = wire_json.read(override, "value", False)
        changes["info"] = wire_json.read_bytes(request, "info")
        changes["data"] = wire_json.read_bytes(request, "data")
        return cls(**{**vars(cls.from_options(options, source)), **changes})

    @property
    def positioned(self) -> bool:
        """Whether the server tracks the subscription's position. Recovery includes this."""
        return self.recovery or self.positioning
