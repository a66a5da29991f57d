"""The credentials of a request's user, for pages, login and get_token."""

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
    """Django has accepted the request's host, but it is not a name or address, for example `[1:2]`."""


def credentials_for(
    request: HttpRequest,
    names: Iterable[str] | None = None,
    *,
    path: str | None = None,
    window: Given | None = None,
    offers: Iterable[Offer] | None = None,
    client: str | None = None,
) -> dict[str, Any]:
    """Return the response of login and get_token: the user's credentials, with the request's CSRF token and WebSocket
    URL.

    `window` adds the page's topics. `offers` are the channels that the user may join, if they have been read already.
    `client` is the id of the connection that makes the request.

    Raises:
        PermissionDenied: nobody is logged in.
        InvalidHost: the request's host is not a name or address.
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
    """Return the URL for the browser: INSTANT_WEBSOCKET_URL, or the request's host with CENTRIFUGO_PORT.

    Raises:
        InvalidHost: the request's host is not a name or address.
    """
    if conf.INSTANT_WEBSOCKET_URL:
        return conf.INSTANT_WEBSOCKET_URL
    scheme = "wss" if request.is_secure() else "ws"
    try:
        host = urlsplit(f"//{request.get_host()}").hostname or "localhost"
        if ":" in host:  # before Python 3.11, urlsplit() accepts any text in brackets
            host = f"[{IPv6Address(host)}]"
    except ValueError as error:  # `[1:2]` is not an address, but Django accepts it as a host
        raise InvalidHost("the request's host is not a name or address") from error
    return f"{scheme}://{host}" if conf.server_port is None else f"{scheme}://{host}:{conf.server_port}"
