"""The HTML attribute with which an element of a page calls a signal."""

from __future__ import annotations

from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from ..serializer import encode
from .dotted_path_settings import plain


def signal_attribute(
    name: str, on: str = "", form: str | None = None, value: str | None = None, opts: dict[str, Any] | None = None
) -> SafeString:
    """Return ` data-df-signal='[…]'`, which calls the signal `name` when the event `on` occurs on the element.

    `form` is the argument that receives the form's fields, `value` the argument that receives the element's value, and
    `opts` are other arguments. The default of `on` is the element's usual event: submit of a form, change of a field,
    click of other elements.

    Raises:
        InvalidMessage: `opts` cannot be encoded as JSON.
        InvalidSetting: the encoder of the settings cannot be imported.
    """
    parts = {"name": str(name), "on": on, "form": form, "value": value, "opts": plain(opts or {})}
    given = {key: part for key, part in parts.items() if part or key == "name"}
    return format_html(" data-df-signal='{}'", encode([given]).decode())
