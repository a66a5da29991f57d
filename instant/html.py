"""Live HTML: change a part of every page that is in a channel, with a template of yours and no JavaScript of yours."""

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


#: Actions that bring HTML with them.
INSERTING = ("append", "prepend", "before", "after", "replace", "update")
REMOVE, REFRESH = "remove", "refresh"
ACTIONS = (*INSERTING, REMOVE, REFRESH)

#: The name of a template, or several of which the first that exists is taken.
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
    """Have `action` done in all pages of a channel: `stream("$users", "append", "#posts", template="_post.html", …)`.

    "append" and "prepend" put the HTML inside of `target`, a CSS selector, "before" and "after" beside it; "replace"
    puts it in the place of `target`, "update" in the place of what `target` holds; "remove" takes `target` away.
    "refresh" brings no HTML: each page asks Django for itself again, as its own user, and takes `target`, or without
    one all, out of the answer. The HTML is that of `template` and `context`, or `html`, which is sent as it is: make it
    with `format_html`. The options are those of `publish`.

    A template is rendered without a request, so it has no `user`, `perms` or `csrf_token`: what goes to everybody must
    not carry the rights of the one whose request it was. `request` is for channels that one user alone may join.

    Raises:
        InvalidMessage: (a ValueError) the action is unknown, or something is missing or too much for it.
        PublishError: as `publish`.
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
    """Do as `stream` does, on the running event loop; a template is rendered in a thread, for it may query."""
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
        # A lazy text becomes one in the language of now, and a SafeString an ordinary one, which orjson takes too.
        "html": None if html is None else str(html) + "",
    }


def _check(action: str, target: object, *, template: object, context: object, html: object, request: object) -> None:
    if action not in ACTIONS:
        raise InvalidMessage(f"there is no action {action!r} for live HTML; it is one of {', '.join(ACTIONS)}")
    _check_target(action, target)
    if action in INSERTING:
        _check_content(action, template, html)
    elif template is not None or html is not None:
        raise InvalidMessage(f"{action!r} brings no HTML: leave template= and html= out")
    if template is None and (context is not None or request is not None):
        raise InvalidMessage("context= and request= are for a template: give template= too, or leave them out")


def _check_target(action: str, target: object) -> None:
    if action == REFRESH and target is None:  # the whole page
        return
    if not isinstance(target, str) or not target.strip():
        raise InvalidMessage(f'{action!r} needs a target, a CSS selector as in stream("$users", "{action}", "#posts")')


def _check_content(action: str, template: object, html: object) -> None:
    if template is not None and html is not None:
        raise InvalidMessage(f"{action!r} takes template= or html=, not both")
    if template is None and html is None:
        raise InvalidMessage(
            f'{action!r} needs HTML: template="_post.html", context={{…}}, or html=format_html("<p>{{}}</p>", text)'
        )
    if html is not None and not isinstance(html, str | Promise):
        kind = type(html).__name__
        raise InvalidMessage(f'html= is text, not {kind}: make it with format_html("<p>{{}}</p>", …)')
