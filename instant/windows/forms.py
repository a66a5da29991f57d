"""SerializedForm: an annotation that makes a Django form from a browser's form data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.http import QueryDict

from .converters import Misfit

#: The most fields that are accepted; a page's form has fewer.
_MAX_FIELDS = 10_000


class SerializedForm:
    """Make a bound form of `[{"name": "title", "value": "…"}, …]`, valid or not: the function calls `is_valid()`.

    ```python
    @signal("blog.save")
    def save(window_info, form_data: SerializedForm(PostForm) = None): ...
    ```

    Files are not included; post them to a view.
    """

    def __init__(self, form_class: Callable[..., Any], **kwargs: Any) -> None:
        self.form_class, self.kwargs = form_class, kwargs
        self.__name__ = "form"

    def __repr__(self) -> str:
        return f"SerializedForm({getattr(self.form_class, '__name__', self.form_class)})"

    def __call__(self, value: Any) -> Any:
        """Return the form. A bound form and None are returned unchanged.

        Raises:
            ValueError: the value is not a list of names and values.
        """
        if value is None or isinstance(value, forms.BaseForm | forms.BaseFormSet):
            return value
        if not isinstance(value, list | tuple) or len(value) > _MAX_FIELDS:
            raise Misfit("is not the content of a form")
        data = QueryDict(mutable=True)
        for field in value:
            data.appendlist(*_pair(field))
        data._mutable = False
        return self.form_class(data, **self.kwargs)


def _pair(field: Any) -> tuple[str, str]:
    if not isinstance(field, dict) or not isinstance(field.get("name"), str) or "value" not in field:
        raise Misfit("is not the content of a form")
    value = field["value"]
    if isinstance(value, bool | list | dict):
        raise Misfit("is not the content of a form")
    return field["name"], "" if value is None else str(value)
