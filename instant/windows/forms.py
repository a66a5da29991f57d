"""SerializedForm: an annotation that converts a browser's form data to a Django form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.http import QueryDict

from .converters import Misfit

#: The maximum number of fields. The forms of pages have fewer.
_MAX_FIELDS = 10_000


class SerializedForm:
    """An annotation that converts `[{"name": "title", "value": "…"}, …]` to a bound form.

    The form may be invalid: call its `is_valid()`.

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
            ValueError: the value is not a list of names and values, or has more than 10,000 fields.
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
