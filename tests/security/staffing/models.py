from __future__ import annotations

from django.contrib.auth.models import AbstractUser, Group
from django.db import models

from instant.models import Channel


class Person(AbstractUser):
    """The user of this site: its groups know it as `people`."""

    groups = models.ManyToManyField(Group, related_name="people", blank=True)


class Employee(Person):
    class Meta:
        proxy = True


class Guest(Person):
    host = models.CharField(max_length=50, blank=True)


class Crew(Group):
    class Meta:
        proxy = True


class Team(Group):
    motto = models.CharField(max_length=50, blank=True)


class Board(Channel):
    class Meta:
        proxy = True


class Wing(Channel):
    color = models.CharField(max_length=50, blank=True)
