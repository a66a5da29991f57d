"""Access that has ended, and the rights of users and pages that Django knew."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .. import protocol


class Revocation(models.Model):
    """Access that has ended, and is enforced again until the tokens given out before have expired.

    A row with `user` alone, an id in Centrifugo, is about all channels of that user, one with `channel` about all
    subscribers of that channel, one with `user` and `session` about the connections of a session that has ended: a hash
    of its key, or ALL_SESSIONS. `until` is set when the row is first applied, after the commit of the change.
    """

    #: As `session`: all connections of the user are closed, once.
    ALL_SESSIONS = "*"

    tenant = models.CharField(max_length=64, blank=True)
    user = models.CharField(max_length=255, blank=True)
    channel = models.CharField(max_length=protocol.MAX_CHANNEL_BYTES, blank=True)
    session = models.CharField(max_length=64, blank=True)
    next_at = models.DateTimeField(db_index=True)
    until = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("Revocation")
        verbose_name_plural = _("Revocations")
        constraints = [
            models.UniqueConstraint(fields=["tenant", "user", "channel", "session"], name="instant_revocation_unique")
        ]

    def __str__(self) -> str:
        return self.channel or f"user {self.user}{', a session' if self.session else ''}"


class RecheckedTopic(models.Model):
    """A topic that was taken from all pages that began before `at`, in seconds since 1970."""

    tenant = models.CharField(max_length=64, blank=True)
    channel = models.CharField(max_length=protocol.MAX_CHANNEL_BYTES)
    at = models.FloatField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "channel"], name="instant_rechecked_topic_unique")]

    def __str__(self) -> str:
        return self.channel


class KnownRights(models.Model):
    """The fingerprint of a user's rights when Django was last asked: another one now is a change without a signal."""

    user = models.CharField(max_length=255, unique=True)
    fingerprint = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"user {self.user}"
