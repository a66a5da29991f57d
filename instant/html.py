"""Live HTML: change a part of every page that has joined a channel, with your own templates and without JavaScript."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.template.loader import render_to_string
from django.utils.functional import Promise

from . import protocol
from .exceptions import InvalidMessage
from .producers import apublish, publish

if TYPE_CHECKING:
    from django.http import HttpRequest
    from typing_extensions import TypedDict, Unpack

    from .exceptions import PublishError

    class _Options(TypedDict, total=False):
        bucket: str | None
        site: str | None
        on_commit: bool
        fail_silently: bool
        timeout: float | None
        wait: bool
        using: str | None


#: Actions that need HTML.
INSERTING = ("append", "prepend", "before", "after", "replace", "update")
REMOVE, REFRESH = "remove", "refresh"
ACTIONS = (*INSERTING, REMOVE, REFRESH)

#: The name of a template, or several names: the first template that exists is used.
Template = str | Sequence[str]


def stream(
    channel: str,
    action: str,
    target: str | None = None,
    *,
    template: Template | None = None,
    context: Mapping[str, Any] | None = None,
    html: str | None = None,
    request: HttpRequest | None = None,
    **options: Unpack[_Options],
) -> PublishError | None:
    """Apply `action` in all pages of a channel: `stream("$users", "append", "#posts", template="_post.html", …)`.

    `target` is a CSS selector. "append" and "prepend" insert the HTML inside `target`; "before" and "after" insert it
    beside `target`. "replace" replaces `target`, "update" replaces its content, and "remove" removes it. "refresh"
    sends no HTML: each page requests itself from Django again, as its own user, and replaces `target`, or everything if
    there is no target.

    The HTML is `template` rendered with `context`, or `html`, which is sent unchanged: create it with `format_html`.
    The options are those of `publish`.

    A template is rendered without a request, so it has no `user`, `perms` or `csrf_token`: the same HTML goes to every
    subscriber, whatever their permissions. Pass `request` only for channels that a single user may join.

    Raises:
        InvalidMessage: (a ValueError) the action is unknown, or an argument is missing or does not fit the action.
        PublishError: as `publish`.
        TransactionManagementError: as `publish`.
    """
    _check(action, target, template=template, context=context, html=html, request=request)
    if template is not None:
        html = _rendered(template, context, request)
    return publish(channel, data=_data(action, target, html), event_class=protocol.STREAM, **options)


async def astream(
    channel: str,
    action: str,
    target: str | None = None,
    *,
    template: Template | None = None,
    context: Mapping[str, Any] | None = None,
    html: str | None = None,
    request: HttpRequest | None = None,
    **options: Unpack[_Options],
) -> PublishError | None:
    """Do the same as `stream`, from a coroutine. A template is rendered in a thread, because it may run queries."""
    _check(action, target, template=template, context=context, html=html, request=request)
    if template is not None:
        html = await sync_to_async(_rendered)(template, context, request)
    return await apublish(channel, data=_data(action, target, html), event_class=protocol.STREAM, **options)


def _rendered(template: Template, context: Mapping[str, Any] | None, request: HttpRequest | None) -> str:
    return render_to_string(template, dict(context or {}), request)


def _data(action: str, target: str | None, html: str | None) -> dict[str, str | None]:
    return {
        "action": action,
        "target": target,
        # str() renders a lazy text in the active language. Adding "" turns a SafeString into a str, which orjson
        # requires.
        "html": None if html is None else str(html) + "",
    }


def _check(action: str, target: object, *, template: object, context: object, html: object, request: object) -> None:
    if action not in ACTIONS:
        raise InvalidMessage(f"There is no action {action!r} for live HTML. Use one of {', '.join(ACTIONS)}.")
    _check_target(action, target)
    if action in INSERTING:
        _check_content(action, template, html)
    elif template is not None or html is not None:
        raise InvalidMessage(f"{action!r} does not need HTML. Remove template= and html=.")
    if template is None and (context is not None or request is not None):
        raise InvalidMessage("context= and request= require template=. Add it, or remove them.")


def _check_target(action: str, target: object) -> None:
    if action == REFRESH and target is None:  # refreshes the whole page
        return
    if not isinstance(target, str) or not target.strip():
        raise InvalidMessage(f'{action!r} needs a CSS selector as its target: stream("$users", "{action}", "#posts").')


def _check_content(action: str, template: object, html: object) -> None:
    if template is not None and html is not None:
        raise InvalidMessage(f"{action!r} needs either template= or html=, not both. Remove one of them.")
    if template is None and html is None:
        raise InvalidMessage(
            f'{action!r} needs HTML. Pass template="_post.html", context={{…}}, or html=format_html("<p>{{}}</p>", …).'
        )
    if html is not None and not isinstance(html, str | Promise):
        kind = type(html).__name__
        raise InvalidMessage(f'html= must be text, not {kind}. Create it with format_html("<p>{{}}</p>", …).')
