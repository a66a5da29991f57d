"""The attribute with which an element of a page calls a signal."""

from __future__ import annotations

from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from ..serializer import encode
from .dotted_path_settings import plain


def signal_attribute(
    name: str, on: str = "", form: str | None = None, value: str | None = None, opts: dict[str, Any] | None = None
) -> SafeString:
    """Return ` data-df-signal='[…]'`: the signal `name` is called when the event `on` happens to the element.

    `form` is the name of the argument for the form's content, `value` that for the element's value, and `opts` are
    other arguments. Without `on`, it is the usual event of the element: submit of a form, change of a field, click of
    anything else.

    Raises:
        InvalidMessage: `opts` cannot be encoded as JSON.
    """
    parts = {"name": str(name), "on": on, "form": form, "value": value, "opts": plain(opts or {})}
    given = {key: part for key, part in parts.items() if part or key == "name"}
    return format_html(" data-df-signal='{}'", encode([given]).decode())
