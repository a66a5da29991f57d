"""Views that log in and log out with JSON, for front ends in JavaScript."""

from __future__ import annotations

from typing import Any

from django.contrib import auth
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import decorator_from_middleware
from django.views.decorators.csrf import csrf_exempt, ensure_csrf_cookie
from django.views.decorators.debug import sensitive_variables

from ..access import origins
from ..secret_text import Secret
from . import login_throttle
from .json_views import JsonCsrf, Refused, json_body, json_view, require_json, text_field
from .tokens import answer_for, path_in


class _Csrf(JsonCsrf):
    """CSRF protection that also accepts requests from the origins whose pages may log in."""

    def _origin_verified(self, request: HttpRequest) -> bool:
        return _is_known(request, request.headers["Origin"])


@csrf_exempt  # before the first response there is no CSRF token; Content-Type and Origin are checked instead
@json_view("POST")
@ensure_csrf_cookie
@sensitive_variables()
def login_and_get_tokens(request: HttpRequest) -> HttpResponse:
    """Log in with `{"username", "password"}`, and return the user's credentials.

    With `"path"`, return the channels that the page at this path joins. Otherwise return all channels of the user.
    """
    _require_known_origin(request)
    require_json(request)
    username, password, path = _fields(json_body(request))
    user = _authenticated(request, username, password)
    auth.login(request, user)
    return JsonResponse(answer_for(request, path=path))


def _fields(content: dict[str, Any]) -> tuple[str, Secret, str | None]:
    return text_field(content, "username"), Secret(text_field(content, "password")), path_in(content)


@sensitive_variables("password")
def _authenticated(request: HttpRequest, username: str, password: str) -> Any:
    if "\0" in username or "\0" in password:  # PostgreSQL raises an error for NUL
        raise Refused(403, "wrong_credentials", "wrong username or password")
    attempt = login_throttle.count_attempt(request, username)
    user = auth.authenticate(request, username=username, password=password)
    if user is None or not user.is_active:  # AllowAllUsersModelBackend accepts inactive users
        raise Refused(403, "wrong_credentials", "wrong username or password")
    attempt.succeeded()
    return user


@csrf_exempt  # `_Csrf` below does the same check, and responds in JSON
@json_view("POST")
@decorator_from_middleware(_Csrf)
def logout(request: HttpRequest) -> HttpResponse:
    """Log out, and close the user's connections (see `instant.revocation`)."""
    auth.logout(request)
    return JsonResponse({"response": "ok"})


def _require_known_origin(request: HttpRequest) -> None:
    """Refuse a request from a page of another site. A request without an Origin header does not come from a page.

    Raises:
        Refused: the origin is not this site's, and is not in CORS_ALLOWED_ORIGINS, CORS_ALLOWED_ORIGIN_REGEXES or
            CSRF_TRUSTED_ORIGINS.
    """
    origin = request.headers.get("Origin")
    if origin is None or _is_known(request, origin):
        return
    raise Refused(
        403,
        "foreign_origin",
        f"pages of {origin[:100]} may not log in here: add the origin to CORS_ALLOWED_ORIGINS or CSRF_TRUSTED_ORIGINS",
    )


def _is_known(request: HttpRequest, origin: str) -> bool:
    """Report whether `origin` is this site's own or in the settings. CORS_ALLOW_ALL_ORIGINS is ignored."""
    own = f"{'https' if request.is_secure() else 'http'}://{request.get_host()}"
    return origins.is_known(origin, own)
