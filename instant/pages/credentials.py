"""The credentials that a request's user gets: in pages, from login and from get_token alike."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv6Address
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest
from django.middleware.csrf import get_token

from ..access.channel_access import Offer, offers_to
from ..access.client_credentials import credentials_from
from ..access.session_binding import bound_meta, session_of
from ..conf.settings import conf
from ..revocation import repeating
from ..windows.page_window import Given


class InvalidHost(SuspiciousOperation):
    """The request's host, which Django has accepted, is no name or address (`[1:2]`, say)."""


def credentials_for(
    request: HttpRequest,
    names: Iterable[str] | None = None,
    *,
    path: str | None = None,
    window: Given | None = None,
    offers: Iterable[Offer] | None = None,
    client: str | None = None,
) -> dict[str, Any]:
    """Return the answer of login and get_token: the user's credentials, with the request's CSRF token and host, and
    what belongs to `window`. `offers` are what the user may join, where that has been read, `client` is the id of the
    connection that asks.

    Raises:
        PermissionDenied: nobody is logged in.
        InvalidHost: the request's host is no name or address.
    """
    repeating.resume()
    session = session_of(request)
    meta = window.meta if window and window.meta else bound_meta(request.user, session.hash)
    answer = credentials_from(
        offers_to(request.user) if offers is None else offers,
        request.user,
        names,
        path=path,
        websocket_url=websocket_url(request),
        page_channels=window.channels if window else (),
        page_info=window.info if window else {},
        meta=meta,
        expires_in=session.expires_in,
        client=client,
    )
    of_window = {"window": window.blob} if window else {}
    return {"csrf_token": get_token(request), **answer, **of_window}


def websocket_url(request: HttpRequest) -> str:
    """Return the address that the browser uses: INSTANT_WEBSOCKET_URL, else the request's host at CENTRIFUGO_PORT.

    Raises:
        InvalidHost: the request's host is no name or address.
    """
    if conf.INSTANT_WEBSOCKET_URL:
        return conf.INSTANT_WEBSOCKET_URL
    scheme = "wss" if request.is_secure() else "ws"
    try:
        host = urlsplit(f"//{request.get_host()}").hostname or "localhost"
        if ":" in host:  # before Python 3.11, urlsplit() accepts anything in brackets
            host = f"[{IPv6Address(host)}]"
    except ValueError as error:  # `[1:2]`, which is no address, and a host for Django
        raise InvalidHost("this host is no name or address") from error
    return f"{scheme}://{host}" if conf.server_port is None else f"{scheme}://{host}:{conf.server_port}"
