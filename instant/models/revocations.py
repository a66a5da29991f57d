"""Revocations, rechecked topics, and the last known permissions of users."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .. import protocol


class Revocation(models.Model):
    """A revocation: access that has ended. It is repeated until all tokens issued before it have expired.

    A row with only `user`, an id in Centrifugo, concerns all channels of that user. A row with `channel` concerns all
    subscribers of that channel. A row with `user` and `session` concerns the connections of a session that has ended:
    `session` is a hash of its key, or ALL_SESSIONS. `until` is set when the row is first applied, after the commit of
    the change.
    """

    #: A value of `session`: all connections of the user are closed, once.
    ALL_SESSIONS = "*"

    tenant = models.CharField(max_length=64, blank=True)
    user = models.CharField(max_length=255, blank=True)
    channel = models.CharField(max_length=protocol.MAX_CHANNEL_BYTES, blank=True)
    session = models.CharField(max_length=64, blank=True)
    next_at = models.DateTimeField(db_index=True)
    until = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("revocation")
        verbose_name_plural = _("revocations")
        constraints = [
            models.UniqueConstraint(fields=["tenant", "user", "channel", "session"], name="instant_revocation_unique")
        ]

    def __str__(self) -> str:
        return self.channel or f"user {self.user}{', a session' if self.session else ''}"


class RecheckedTopic(models.Model):
    """A topic from which all pages that began before `at`, in seconds since 1970, were removed."""

    tenant = models.CharField(max_length=64, blank=True)
    channel = models.CharField(max_length=protocol.MAX_CHANNEL_BYTES)
    at = models.FloatField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "channel"], name="instant_rechecked_topic_unique")]

    def __str__(self) -> str:
        return self.channel


class KnownRights(models.Model):
    """The fingerprint of a user's permissions at the last check. If it differs now, they changed without a signal."""

    user = models.CharField(max_length=255, unique=True)
    fingerprint = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"user {self.user}"
