from __future__ import annotations

import pytest
from django import forms
from hypothesis import given
from hypothesis import strategies as st

from instant.exceptions import Deny
from instant.windows import SerializedForm
from instant.windows.arguments import Parameters
from instant.windows.converters import Misfit


class PostForm(forms.Form):
    title = forms.CharField()
    tags = forms.MultipleChoiceField(choices=[("a", "A"), ("b", "B")], required=False)


def function(window_info, form_data: SerializedForm(PostForm) = None): ...


def form_of(content):
    return Parameters(function, "a").bind({"form_data": content})["form_data"]


def test_a_form_is_bound() -> None:
    form = form_of([{"name": "title", "value": "x"}, {"name": "tags", "value": "a"}, {"name": "tags", "value": "b"}])
    assert form.is_bound
    assert form.is_valid()
    assert form.cleaned_data == {"title": "x", "tags": ["a", "b"]}


def test_it_is_handed_over_when_it_is_not_valid() -> None:
    form = form_of([{"name": "tags", "value": "c"}])
    assert set(form.errors) == {"title", "tags"}
    assert form_of([]).is_bound


def test_values_are_text() -> None:
    form = form_of([{"name": "title", "value": 5}, {"name": "other", "value": None}])
    assert form.data["title"] == "5"
    assert form.data["other"] == ""


@pytest.mark.parametrize(
    "content",
    ["title=x", {"title": "x"}, [1], [{"name": "title"}], [{"value": 1}], [{"name": 1, "value": 1}],
     [{"name": "f", "value": {"file": 1}}], [{"name": "f", "value": []}], [None]],
)  # fmt: skip
def test_what_is_no_form_is_refused(content) -> None:
    with pytest.raises(Deny, match="'form_data' is not the content of a form"):
        form_of(content)


@given(st.lists(st.fixed_dictionaries({"name": st.text(), "value": st.text() | st.integers() | st.none()}), max_size=5))
def test_whatever_a_browser_sends(content) -> None:
    form_of(content).is_valid()


def test_arguments_of_the_form() -> None:
    form = SerializedForm(PostForm, prefix="p")([{"name": "p-title", "value": "x"}])
    assert form.is_valid()
    assert SerializedForm(PostForm)(form) is form
    assert SerializedForm(PostForm)(None) is None
    assert repr(SerializedForm(PostForm)) == "SerializedForm(PostForm)"


def test_too_many_fields() -> None:
    with pytest.raises(Misfit):
        SerializedForm(PostForm)([{"name": "x", "value": "y"}] * 10_001)


def test_a_formset() -> None:
    formset = SerializedForm(forms.formset_factory(PostForm))(
        [
            {"name": "form-TOTAL_FORMS", "value": "1"},
            {"name": "form-INITIAL_FORMS", "value": "0"},
            {"name": "form-0-title", "value": "x"},
        ]
    )
    assert formset.is_valid()
    assert SerializedForm(PostForm)(formset) is formset
