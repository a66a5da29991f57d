"""Plan: which fields of a model are sent by an event class, computed once."""

from __future__ import annotations

import copy
import datetime
import decimal
import inspect
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models.fields.related_descriptors import ForeignKeyDeferredAttribute
from django.db.models.query_utils import DeferredAttribute

from ..exceptions import InvalidEvent
from ..user_callables import dotted_name
from .operations import OPERATIONS

#: A field whose name contains one of these words is sent only if `fields` names it.
SECRETS = ("password", "token", "secret")

_IMMUTABLE = (
    *(models.AutoField, models.BooleanField, models.CharField, models.DateField, models.DecimalField),
    *(models.DurationField, models.FloatField, models.ForeignKey, models.GenericIPAddressField, models.IntegerField),
    *(models.TextField, models.TimeField, models.UUIDField, models.BinaryField),
)
#: The types that our JSON encoder supports. Fields convert other values, as Django's serializers do.
_PLAIN = frozenset(
    {
        *(str, int, float, bool, type(None), list, dict, tuple, decimal.Decimal, uuid.UUID),
        *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta),
    }
)
_TYPES: dict[Any, type] = {
    (models.CharField, models.TextField): str,
    (models.IntegerField, models.AutoField): int,
    models.BooleanField: bool,
    models.FloatField: float,
}
#: Types of immutable values.
_ATOMS = frozenset({str, int, float, bool, type(None)})
_Freeze = Callable[[Any], Any]
_Values = Mapping[str, Any]
_MISSING = object()


class Plan:
    """The model of an event class, and the fields that are sent: `fields` has pairs of a name in the data and a field.

    Raises:
        InvalidEvent: an attribute of the class is wrong. The text names the class and the mistake.
    """

    def __init__(self, owner: type[Any]) -> None:
        self.owner = owner
        self.model = self._model(owner.model)
        meta = self.model._meta
        self.columns: list[Any] = list(meta.concrete_fields)
        self.pk_fields: list[Any] = list(getattr(meta, "pk_fields", [meta.pk]))
        self.pk_attnames = frozenset(field.attname for field in self.pk_fields)
        self.has_to_dict = callable(getattr(self.model, "to_dict", None))
        self.fields: list[tuple[str, Any]] = self._chosen(owner.fields, owner.exclude)
        self.m2m: list[Any] = [self._m2m(name) for name in self._names("m2m", owner.m2m)]
        unknown = sorted(set(self._names("operations", owner.operations or ())) - set(OPERATIONS))
        if unknown:
            raise self.wrong(
                f"operations has {', '.join(map(repr, unknown))}; it may have OP_CREATE, OP_UPDATE and OP_DELETE"
            )
        self._sent = [(name, field.attname, self._plain_types(field), field) for name, field in self.fields]
        self._pk_types = self._plain_types(meta.pk) if len(self.pk_fields) == 1 else frozenset()
        needed = self.columns if self.has_to_dict else [field for _, field in self.fields]
        #: The columns that an instance must have loaded, so that its data is complete.
        self.attnames = frozenset(field.attname for field in needed)
        self.all_attnames = frozenset(field.attname for field in self.columns)
        #: Columns that only the database writes. After a save, the instance still has the old values.
        self._generated = frozenset(field.attname for field in self.columns if getattr(field, "generated", False))
        #: Columns with mutable values. They are copied, because they could change before the commit.
        self.freezers = [(field.attname, freeze) for field in self.columns if (freeze := _freezer(field))]

    def wrong(self, what: str) -> InvalidEvent:
        """Return an error whose text begins with the name of the class."""
        return InvalidEvent(f"{dotted_name(self.owner)}: {what}")

    def _model(self, model: object) -> type[models.Model]:
        if isinstance(model, str):
            try:
                model = apps.get_model(model)
            except (LookupError, ValueError) as error:
                raise self.wrong(f"there is no model {model!r} in the installed apps") from error
        if not (isinstance(model, type) and issubclass(model, models.Model)):
            raise self.wrong(f"model is {model!r}; it must be a model, or its name as 'app.Model'")
        if model._meta.abstract:
            raise self.wrong(f"model is {model.__qualname__}, which is abstract: it has no objects")
        return model

    def _names(self, attribute: str, value: Iterable[str]) -> list[str]:
        if isinstance(value, str) or not all(isinstance(name, str) for name in value):
            raise self.wrong(f"{attribute} is {value!r}; it must be a tuple of names")
        return list(value)

    def _chosen(self, fields: Iterable[str] | None, exclude: Iterable[str] | None) -> list[tuple[str, Any]]:
        if fields is not None:
            return [(name, self._column("fields", name)) for name in self._names("fields", fields)]
        if exclude is not None:
            left_out = [self._column("exclude", name) for name in self._names("exclude", exclude)]
            return [(field.name, field) for field in self.columns if field not in left_out]
        return [(field.name, field) for field in self.columns if not is_secret(field.name)]

    def _column(self, attribute: str, name: str) -> Any:
        try:
            field = self.model._meta.get_field(name)
        except FieldDoesNotExist as error:
            names = ", ".join(field.name for field in self.columns)
            raise self.wrong(
                f"{attribute} has {name!r}, which is not a field of {self.model._meta.label}; its fields are {names}"
            ) from error
        if field not in self.columns:
            hint = "; name it in m2m" if field.many_to_many and not field.auto_created else ""
            raise self.wrong(f"{attribute} has {name!r}, which is not a column of {self.model._meta.label}{hint}")
        return field

    def _m2m(self, name: str) -> Any:
        field = next((field for field in self.model._meta.many_to_many if field.name == name), None)
        if field is None:
            raise self.wrong(f"m2m has {name!r}, which is not a many-to-many field of {self.model._meta.label}")
        return field

    def _plain_types(self, field: Any) -> frozenset[type]:
        """Return the types of values that need no conversion.

        There are none if an attribute of the model computes another value from those of the instance.
        """
        attribute = inspect.getattr_static(self.model, field.attname, None)
        if type(attribute) not in (DeferredAttribute, ForeignKeyDeferredAttribute):
            return frozenset()
        plain = _type_of(field)
        return frozenset({type(None)} if plain is None else {type(None), plain})

    def pk(self, values: _Values) -> Any:
        """Return the primary key from an instance's values. For a key of several columns it is a tuple."""
        if self._pk_types and type(key := values[self.pk_fields[0].attname]) in self._pk_types:
            return key
        keys = [field.to_python(values[field.attname]) for field in self.pk_fields]
        return keys[0] if len(keys) == 1 else tuple(keys)

    def knows_all(self, values: _Values, *, whole: bool = False) -> bool:
        """Report whether the data, or the `whole` object, can be created without a query."""
        needed = self.all_attnames if whole else self.attnames
        if not self._generated.isdisjoint(needed) or not values.keys() >= needed:
            return False
        for name in needed:
            if type(values[name]) not in _PLAIN and hasattr(values[name], "resolve_expression"):
                return False
        return True

    def data(self, values: _Values, instance: Callable[[], models.Model], *, partly: bool = False) -> dict[str, Any]:
        """Return the data of an instance with these values, without many-to-many fields.

        Missing values are read from the database, or left out if `partly` is true.

        Raises:
            TypeError: to_dict() does not return a dict.
        """
        if self.has_to_dict:
            content = instance().to_dict()  # type: ignore[attr-defined]
            if not isinstance(content, dict):
                raise TypeError(f"{self.model.__qualname__}.to_dict() returned {content!r}; it must return a dict")
            return content
        return {
            name: value if type(value := values.get(attname, _MISSING)) in plain else _written(field, instance())
            for name, attname, plain, field in self._sent
            if not partly or attname in values
        }


def is_secret(name: str) -> bool:
    """Report whether a field of this name is sent only if `fields` names it."""
    return any(word in name.lower() for word in SECRETS)


def _type_of(field: Any) -> type | None:
    """Return the type of values that need no conversion, or None if there is none."""
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    return next((kind for classes, kind in _TYPES.items() if isinstance(field, classes)), None)


def _written(field: Any, instance: models.Model) -> Any:
    """Return the value as it would be read from the table: "5" in an integer field becomes 5."""
    value = field.to_python(field.value_from_object(instance))
    return value if type(value) in _PLAIN else field.value_to_string(instance)


def _freezer(field: Any) -> _Freeze | None:
    if isinstance(field, models.FileField):
        return str  # a FieldFile belongs to its instance
    return None if isinstance(field, _IMMUTABLE) else _copied


def _copied(value: Any) -> Any:
    """Do what deepcopy() does, but faster for the types of JSON."""
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is dict:
        return {key: _copied(inner) for key, inner in value.items()}
    if kind is list:
        return [_copied(inner) for inner in value]
    return copy.deepcopy(value)
