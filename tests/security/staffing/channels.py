"""A channel by rule for each user: it needs a permission of that name, and a user whose last name is "in"."""

from __future__ import annotations

from instant.channels.rules import rule

from .models import Person


@rule("$desk-<slug:name>")
def desk(user: Person, name: str) -> bool:
    return user.username == name and user.last_name == "in" and user.has_perm(f"staffing.{name}")
