"""Fills a page with its user's credentials after all caches have stored it.

A page is rendered with a placeholder, so that `cache_page`, the cache middleware and `{% cache %}` store the same
content for everyone. Each response is filled for the user of its own request. After that, no cache may store it.
"""

from __future__ import annotations

import logging
import re
from functools import partial
from typing import Any, TypeVar

from django.conf import settings
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.template.response import SimpleTemplateResponse
from django.utils.cache import patch_vary_headers

from ..access import channel_access
from ..centrifugo.history_positions import Position
from ..channels.user_ids import user_of
from ..protocol import PAGE_ID
from ..windows import page_window
from .context import CLOSES, OPENS, PLACEHOLDER, described, script_json
from .credentials import credentials_for
from .page_positions import take
from .page_state import names_at, offers_of, page_of, without_database_errors

logger = logging.getLogger("instant")
Response = TypeVar("Response", bound=HttpResponseBase)

#: The tag that `json_script` renders before the facts about the page.
_PAGE_OPENS = f'<script id="{PAGE_ID}" type="application/json">'

#: Directives of Cache-Control that may be kept with `no-store`; `must-understand` could cancel it.
_STRICT = {"no-cache", "must-revalidate", "proxy-revalidate", "no-transform"}
#: Headers that let shared caches store the page in spite of Cache-Control, and headers that describe the page before it
#: was filled.
_DROPPED = re.compile(
    r"expires|etag|last-modified|content-md5|(content|repr)-digest|digest|"
    r"surrogate-control|edge-control|x-accel-expires|([a-z]+-)*cdn-cache-control",
    re.IGNORECASE,
)


def fill(request: HttpRequest, response: Response) -> Response:
    """Put the credentials of the request's user into the page if it has the placeholder. Other responses stay
    unchanged.

    A response that is not rendered yet is filled after rendering. If the credentials cannot be created, the placeholder
    stays, and the page requests its credentials from get_token.
    """
    if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
        response.add_post_render_callback(partial(fill, request))
        return response
    if isinstance(response, HttpResponse) and is_fillable(response):
        answer = _answer(request)
        if answer is not None:
            _fill(request, response, answer)
            _guard(request, response, answer)
    return response


def is_fillable(response: HttpResponseBase) -> bool:
    """Report whether `response` can be filled.

    It must be a complete HTML page whose first placeholder is still empty, or a response that is not rendered yet.
    """
    if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
        return True
    if not isinstance(response, HttpResponse) or response.streaming or response.has_header("Content-Encoding"):
        return False
    if not 200 <= response.status_code < 300 or response.status_code == 206:
        return False
    if response.get("Content-Type", "").partition(";")[0].strip().lower() != "text/html":
        return False
    content, empty = response.content, _encoded(PLACEHOLDER, response)
    start = content.find(_encoded(OPENS, response))
    return start >= 0 and content.startswith(empty, start)


def _encoded(text: str, response: HttpResponse) -> bytes:
    """Return `text` in the page's encoding, without the byte order mark that some encodings put first."""
    charset = response.charset
    return text.encode(charset)[len("".encode(charset)) :]


def _answer(request: HttpRequest) -> dict[str, Any] | str | None:
    """Return the credentials, "null" if the user may not connect, or None if they cannot be created."""
    try:
        answer: dict[str, Any] | str | None = None
        with without_database_errors():
            answer = _credentials(request)
    except (PermissionDenied, SuspiciousOperation) as error:  # an invalid host on a site with ALLOWED_HOSTS = ["*"]
        logger.warning("a page is not filled with credentials: %s", error)
        return None
    if isinstance(answer, dict):
        known = page_of(request).positions
        take(request, [channel["name"] for channel in answer["channels"] if channel["name"] not in known])
        for channel in answer["channels"]:
            if position := known.get(channel["name"]):
                channel["position"] = {"offset": position.offset, "epoch": position.epoch}
    return answer


def _credentials(request: HttpRequest) -> dict[str, Any] | str:
    if not channel_access.may_connect(user_of(request)):
        return "null"
    page, window = page_of(request), page_window.of_page(request)
    names = [*names_at(request), *page.streams] if page.streams else None
    if window is not None:
        names = None if names is None else [*names, *window.channels]
        # The window's own channel did not exist before this page. So the page joins it at the beginning of its history.
        page.positions.update(dict.fromkeys(window.fresh, Position(0, "")))
    answer = credentials_for(request, names, path=request.path, window=window, offers=offers_of(request))
    for refusal in answer["refused"]:
        logger.debug("the page %s does not join %s: %s", request.path, refusal["name"], refusal["reason"])
    return answer


def _fill(request: HttpRequest, response: HttpResponse, answer: dict[str, Any] | str) -> None:
    content = response.content
    start = content.find(_encoded(PLACEHOLDER, response))
    end = start + len(_encoded(PLACEHOLDER, response))
    filled = OPENS + (answer if isinstance(answer, str) else script_json(answer)) + CLOSES
    before = _described_anew(request, response, content[:start])
    response.content = before + _encoded(filled, response) + content[end:]
    if response.has_header("Content-Length"):
        response["Content-Length"] = str(len(response.content))


def _described_anew(request: HttpRequest, response: HttpResponse, before: bytes) -> bytes:
    """Replace the facts about the page by those of this request.

    A page from a cache may have been rendered for another user, and a fragment for another path.
    """
    opens, closes = _encoded(_PAGE_OPENS, response), _encoded(CLOSES, response)
    start = before.rfind(opens)
    end = before.find(closes, start)
    if start < 0 or end < 0:
        return before
    return before[: start + len(opens)] + _encoded(script_json(described(request)), response) + before[end:]


def _guard(request: HttpRequest, response: HttpResponse, answer: dict[str, Any] | str) -> None:
    """Keep a response with tokens out of all caches. Pages of users who may not connect vary on the cookie."""
    if isinstance(answer, str):
        patch_vary_headers(response, ["Cookie"])
        return
    given = (part.partition("=")[0].strip().lower() for part in response.get("Cache-Control", "").split(","))
    kept = dict.fromkeys(name for name in given if name in _STRICT)
    response["Cache-Control"] = ", ".join([*kept, "private", "no-store"])
    for name in [name for name in response.headers if _DROPPED.fullmatch(name)]:
        del response[name]
    if not settings.CSRF_USE_SESSIONS:
        # If InstantMiddleware is outside the CSRF middleware, the CSRF middleware has already processed the response,
        # before the token of this page was created. So its cookie is set here.
        CsrfViewMiddleware(lambda _: response).process_response(request, response)
