"""The outbox: messages that wait to be delivered to the server, and the lease of the relay that delivers them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import django
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    _Text = models.TextField[str, str]
else:
    _Text = models.TextField


class PayloadField(_Text):
    """JSON stored as text, so that the server receives exactly the bytes that the serializer produced.

    On PostgreSQL the type is `json`, which Centrifugo's consumer reads. `jsonb` would sort the keys, and cannot store
    "\\u0000".
    """

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        return "json" if connection.vendor == "postgresql" else super().db_type(connection)

    def select_format(self, compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        return (f"{sql}::text" if compiler.connection.vendor == "postgresql" else sql), params


def _only_methods(*methods: str) -> models.CheckConstraint:
    # Django 5.1 renamed the argument, and Django 6.0 dropped the old name.
    argument: dict[str, Any] = {"condition" if django.VERSION >= (5, 1) else "check": Q(method__in=methods)}
    return models.CheckConstraint(name="instant_outbox_methods", **argument)


class OutboxEntry(models.Model):
    """A message that waits to be delivered to the server, in the format that Centrifugo's consumer reads.

    The consumer would execute any method of the server API, such as `disconnect`. A constraint therefore restricts
    `method`.
    """

    #: The API methods that publish.
    METHODS = ("publish", "broadcast")

    id = models.BigAutoField(primary_key=True)
    method = models.CharField(max_length=32, default="publish")
    payload = PayloadField()
    #: Rows of one partition are delivered in order. Nothing reads negative partitions.
    partition = models.IntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("outbox entry")
        verbose_name_plural = _("outbox entries")
        constraints = (_only_methods("publish", "broadcast"),)

    def __str__(self) -> str:
        return f"{self.method} {self.pk}"


class OutboxLease(models.Model):
    """The relay that may deliver the outbox, and until when. One row, for databases without advisory locks."""

    owner = models.CharField(max_length=32)
    until = models.DateTimeField()

    class Meta:
        verbose_name = _("outbox lease")
        verbose_name_plural = _("outbox leases")

    def __str__(self) -> str:
        return self.owner
