"""Turns changes into messages, with few queries, and sends them together."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from django.db import models

from ..channels import tenants
from ..conf.settings import conf
from ..messages import Message
from ..sending import Collected, Entry, send_entries
from .operations import OP_DELETE
from .pending_changes import Change, coalesced
from .writing import messages_of, related, removals_before_deletion

logger = logging.getLogger("instant")

#: The maximum number of failures of one transaction that are logged one by one.
_LOGGED = 10


class Failure(NamedTuple):
    """An event that was not sent, and the error."""

    change: Change
    channel: str | None
    error: Exception
    #: Whether the event was sent without its data, because only the data failed.
    is_sent: bool = False


def deliver(changes: Sequence[Change]) -> None:
    """Send the events of these changes.

    Raises:
        Exception: the first failure, if INSTANT_EVENTS_FAIL_SILENTLY is off. Otherwise failures are logged.
    """
    report(attempt(changes))


def attempt(changes: Sequence[Change]) -> list[Failure]:
    """Send the events of these changes, and return the failures. Other events are sent after a failure."""
    events = Events()
    events.reports = False
    send_entries(entries(changes), {Events: events})
    return events.failures


def entries(changes: Sequence[Change]) -> list[Entry]:
    """Return these changes as entries for `sending`."""
    return [Entry(Events, change) for change in changes]


def report(failures: Sequence[Failure]) -> None:
    """Log the failures.

    Raises:
        Exception: the first failure, if INSTANT_EVENTS_FAIL_SILENTLY is off.
    """
    if not failures:
        return
    if not conf.INSTANT_EVENTS_FAIL_SILENTLY:
        raise failures[0].error
    for change, channel, error, is_sent in failures[:_LOGGED]:
        where = "" if channel is None else f" for {channel!r}"
        name, operation = change.event.event_name, change.operation
        what = "was sent without its data" if is_sent else "was not sent"
        logger.error("the event %r (%s) of pk %r%s %s: %s", name, operation, change.pk, where, what, error)
    if len(failures) > _LOGGED:
        logger.error("%d more events were not sent", len(failures) - _LOGGED)


class _Found(NamedTuple):
    """What was read for a batch, by the positions in the batch: objects (None if deleted) and many-to-many fields."""

    instances: dict[int, models.Model | None]
    m2m: dict[int, dict[str, list[Any]]]


def _found(batch: Sequence[Change]) -> _Found:
    """Read what the changes do not contain: one query for each event class, and one for each of its m2m fields."""
    instances: dict[int, models.Model | None] = {}
    m2m: dict[int, dict[str, list[Any]]] = {}
    for change in batch:
        if change.event.plan.m2m or not change.is_complete:
            break
    else:
        return _Found(instances, m2m)
    order = sorted(range(len(batch)), key=lambda number: (id(batch[number].event), batch[number].using))
    for (_, using), group in groupby(order, key=lambda number: (id(batch[number].event), batch[number].using)):
        numbers = list(group)
        plan = batch[numbers[0]].event.plan
        asked = {number: batch[number].pk for number in numbers if not batch[number].is_complete}
        rows = plan.model._base_manager.using(using).in_bulk(list(set(asked.values()))) if asked else {}
        instances.update((number, rows.get(pk)) for number, pk in asked.items())
        living = {
            number: instance
            for number in numbers
            if batch[number].operation != OP_DELETE
            and (instance := instances[number] if number in asked else batch[number].rebuilt()) is not None
        }
        for field in plan.m2m if living and not plan.has_to_dict else ():
            lists = related(field, list(living.values()), using)
            for number, pks in zip(living, lists, strict=True):
                m2m.setdefault(number, {})[field.name] = pks
    return _Found(instances, m2m)


class Events(Collected):
    """Collects changes that become events. They are read together, and several changes of one object are merged."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []
        self.reports = True

    def merged(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        kept = coalesced([entry.item if entry.kind is Events else entry for entry in entries])
        return [each if isinstance(each, Entry) else Entry(Events, each) for each in kept]

    def written(self, items: Sequence[Change]) -> Sequence[Sequence[Message]]:
        made: list[Sequence[Message]] = []
        for tenant, run in groupby(items, key=attrgetter("tenant")):
            made += self._of_tenant(tenant, list(run))
        return made

    def _of_tenant(self, tenant: str | None, changes: Sequence[Change]) -> Sequence[Sequence[Message]]:
        try:
            with tenants.resumed(tenant):
                found = _found(changes)
                return [self._written(number, change, found) for number, change in enumerate(changes)]
        except Exception as error:
            self.failures += [Failure(change, None, error) for change in changes]
            return [()] * len(changes)

    def _written(self, number: int, change: Change, found: _Found) -> Sequence[Message]:
        if number in found.instances:
            change.instance = found.instances[number]
            is_deleted = change.instance is None
            change.values = change.values if change.instance is None else change.instance.__dict__
        else:
            is_deleted = False
        self._note(change)
        try:
            return removals_before_deletion(change) if is_deleted else messages_of(change, found.m2m.get(number, {}))
        except Exception as error:
            self.failures.append(Failure(change, None, error))
            return ()

    def _note(self, change: Change) -> None:
        """Record errors from the time of the change."""
        if change.error is not None:
            self.failures.append(Failure(change, None, change.error, bool(change.messages)))
        if change.moved_from is not None and change.moved_from.error is not None:
            self.failures.append(Failure(change, None, change.moved_from.error, is_sent=False))

    def answered(self, item: Change, message: Message, error: Exception | None) -> None:
        if error is not None:
            self.failures.append(Failure(item, message.channel, error))

    def finish(self) -> None:
        if self.reports:
            report(self.failures)
