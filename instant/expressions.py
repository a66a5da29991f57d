"""Resolve expressions such as `F("level")` in the fields of an object before it is saved."""

from __future__ import annotations

from typing import Any

from django.db import models, router


def resolve(instance: models.Model, using: str | None) -> None:
    """Replace the expressions in the fields of `instance` by their values in its row.

    Raises:
        ValueError: the row does not exist yet.
    """
    names = [field.attname for field in instance._meta.concrete_fields]
    found: dict[str, Any] = {
        f"resolved_{name}": value
        for name in names
        if hasattr(value := instance.__dict__.get(name), "resolve_expression")
    }
    if not found:
        return
    alias = using or instance._state.db or router.db_for_write(type(instance), instance=instance)
    row = type(instance)._base_manager.using(alias).filter(pk=instance.pk).annotate(**found).values(*found).first()
    if row is None:
        raise ValueError(f"{instance!r} has no row yet, so its expressions have no value: use plain values.")
    for name, value in row.items():
        setattr(instance, name.removeprefix("resolved_"), value)
