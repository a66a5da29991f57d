"""Channels: valid names, the channels of settings and rules, and the personal channel of each user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .names import is_private, namespace_of, personal_channel, private_name, public_name, template_name
    from .namespaces import check_name, check_own_name

__all__ = [
    "check_name",
    "check_own_name",
    "is_private",
    "namespace_of",
    "personal_channel",
    "private_name",
    "public_name",
    "template_name",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        ".names": (
            *("is_private", "namespace_of", "personal_channel"),
            *("private_name", "public_name", "template_name"),
        ),
        ".namespaces": ("check_name", "check_own_name"),
    },
)
