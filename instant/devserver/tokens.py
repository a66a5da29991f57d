"""Verifies and reads connection and subscription JWTs as Centrifugo does, with HMAC keys."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jwt

from instant.devserver import errors, wire_json
from instant.devserver.subscription_grant import Grant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from instant.devserver.channel_options import ChannelRules
    from instant.devserver.config_options import TokenOptions

_ALGORITHMS = ("HS256", "HS384", "HS512")


class InvalidTokenError(Exception):
    """The token is not valid."""


class ExpiredTokenError(Exception):
    """The token has expired, or is not valid yet (claim `nbf`)."""


@dataclass(frozen=True)
class ConnectionToken:
    """What a connection token grants. `expire_at` is in Unix time; 0 means never."""

    user: str
    expire_at: int = 0
    info: Any = wire_json.MISSING
    meta: Any = wire_json.MISSING
    subs: Mapping[str, Grant] = field(default_factory=dict)


@dataclass(frozen=True)
class SubscriptionToken:
    """What a subscription token grants, and to which user and client."""

    user: str
    channel: str
    client: str
    grant: Grant


class TokenReader:
    """Verifies and reads tokens with one set of keys."""

    def __init__(
        self,
        options: TokenOptions,
        rules: ChannelRules,
        *,
        skip_signature: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._options, self._rules, self._clock = options, rules, clock
        self._skip_signature = skip_signature

    def connection(self, token: str) -> ConnectionToken:
        """Verify and read a connection token.

        Raises:
            InvalidTokenError, ExpiredTokenError: the token is invalid, or has expired.
            ReplyError: 102 if it names an unknown namespace.
        """
        claims = self._claims(token)
        try:
            if wire_json.read(claims, "channel", ""):
                raise InvalidTokenError("a connection token must not have a channel claim")
            return ConnectionToken(
                user=self._user(claims),
                expire_at=_expire_at(claims),
                info=wire_json.read_bytes(claims, "info"),
                meta=wire_json.read_raw(claims, "meta"),
                subs=dict(self._subs(claims)),
            )
        except ValueError as error:
            raise InvalidTokenError(str(error)) from error

    def subscription(self, token: str) -> SubscriptionToken:
        """Verify and read a subscription token.

        Raises:
            InvalidTokenError, ExpiredTokenError: the token is invalid, or has expired.
            ReplyError: 102 if it names an unknown namespace.
        """
        claims = self._claims(token)
        try:
            channel = wire_json.read(claims, "channel", "")
            if not channel:
                raise InvalidTokenError("a subscription token needs a channel claim")
            grant = self._grant(channel, claims, "subscription_token", expire_at=_expire_at(claims))
            return SubscriptionToken(self._user(claims), channel, wire_json.read(claims, "client", ""), grant)
        except ValueError as error:
            raise InvalidTokenError(str(error)) from error

    def _claims(self, token: str) -> dict[str, Any]:
        claims = self._verified(token)
        options = self._options
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if options.audience and options.audience not in audiences:
            raise InvalidTokenError("invalid audience")
        if options.issuer and claims.get("iss") != options.issuer:
            raise InvalidTokenError("invalid issuer")
        now = self._clock()
        expires, starts = _seconds(claims, "exp"), _seconds(claims, "nbf")
        if (expires is not None and now >= expires) or (starts is not None and now < starts):
            raise ExpiredTokenError("token expired")
        return claims

    def _verified(self, token: str) -> dict[str, Any]:
        try:
            # The signature is verified below, because `jwt.decode` warns about keys that are shorter than the digest.
            # Centrifugo accepts them silently.
            parts = jwt.PyJWT().decode_complete(token, options={"verify_signature": False})
        except jwt.InvalidTokenError as error:
            raise InvalidTokenError(str(error)) from error
        if not self._skip_signature and not self._signed(token, parts["header"].get("alg"), parts["signature"]):
            raise InvalidTokenError("the signature is wrong, or its algorithm or key is not enabled")
        claims: dict[str, Any] = parts["payload"]
        return claims

    def _signed(self, token: str, algorithm: object, signature: bytes) -> bool:
        if algorithm not in _ALGORITHMS:
            return False
        verifier, signed = jwt.get_algorithm_by_name(str(algorithm)), token.rpartition(".")[0].encode()
        return any(verifier.verify(signed, key.encode(), signature) for key in self._keys())

    def _keys(self) -> list[str]:
        options = self._options
        until = options.hmac_previous_secret_key_valid_until
        previous = options.hmac_previous_secret_key if not until or self._clock() <= until else ""
        return [key for key in (options.hmac_secret_key, previous) if key]

    def _user(self, claims: Mapping[str, Any]) -> str:
        if self._options.user_id_claim:
            value = claims.get(self._options.user_id_claim)
            return value if isinstance(value, str) else "" if value is None else wire_json.encode(value)
        return wire_json.read(claims, "sub", "")

    def _subs(self, claims: Mapping[str, Any]) -> list[tuple[str, Grant]]:
        channels, subs = wire_json.read_strings(claims, "channels"), wire_json.read_object(claims, "subs")
        if not subs:
            return [(channel, self._grant(channel, {}, "connection_token")) for channel in channels]
        return [
            (channel, self._grant(channel, wire_json.read_object(subs, channel) or {}, "connection_token"))
            for channel in subs
        ]

    def _grant(self, channel: str, claims: Mapping[str, Any], source: str, expire_at: int = 0) -> Grant:
        options = self._rules.options(channel)
        if options is None:
            raise errors.ReplyError(errors.UNKNOWN_CHANNEL)
        return Grant.from_request(options, claims, source, expire_at=expire_at)


def _seconds(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise InvalidTokenError(f"{name} must be a number")
    return value


def _expire_at(claims: Mapping[str, Any]) -> int:
    if claims.get("expire_at") is not None:
        return max(0, wire_json.read(claims, "expire_at", 0))
    return int(_seconds(claims, "exp") or 0)
