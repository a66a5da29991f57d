"""What the rule of a channel says of a user: no, or yes with what it adds to the token."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync

from . import rules
from .channels import check_own_name
from .exceptions import InvalidChannel, InvalidMessage
from .messages import encode

if TYPE_CHECKING:
    from .rules import Match
    from .token import User

logger = logging.getLogger("instant")

#: What a rule's answer may have besides `info`: options of the server for this one subscription.
OVERRIDES = ("presence", "join_leave", "force_push_join_leave", "force_recovery", "force_positioning")


def rule_of(name: str) -> Match | None:
    """Return the rule that decides about a channel of this name, if there is one and there can be such a channel."""
    try:
        check_own_name(name)
    except InvalidChannel:
        return None
    return rules.find(name)


def ask(user: User, name: str, match: Match) -> dict[str, Any] | None:
    """Return the claims that its rule gives `user` a token for this name with, or None where it does not let join.

    Whatever goes wrong is a no, and is logged with the rule.
    """
    try:
        answer = match.function(user, **match.kwargs)
        if inspect.isawaitable(answer):
            answer = async_to_sync(_awaited)(answer)
        return _claims(answer)
    except Exception:
        logger.exception("%s lets nobody join %r: it failed", match.name, name)
        return None


async def _awaited(answer: Awaitable[Any]) -> Any:
    return await answer


def _claims(answer: object) -> dict[str, Any] | None:
    if answer is None or answer is False:
        return None
    if not isinstance(answer, Mapping):
        return {}
    if unknown := sorted(str(key) for key in answer if key != "info" and key not in OVERRIDES):
        raise TypeError(f"a rule's answer has info and {', '.join(OVERRIDES)}, not {', '.join(unknown)}")
    claims: dict[str, Any] = {}
    override = {key: {"value": _flag(key, answer[key])} for key in OVERRIDES if key in answer}
    if override:
        claims["override"] = override
    if answer.get("info") is not None:
        claims["info"] = _json(answer["info"])
    return claims


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} is True or False, not {value!r}")
    return value


def _json(info: object) -> Any:
    """Dates and the like as in messages; a token's own JSON has none of them."""
    try:
        return json.loads(encode(info))
    except InvalidMessage as error:
        raise TypeError(f"info cannot be written as JSON: {error}") from error
