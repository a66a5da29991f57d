from __future__ import annotations

import uuid
from typing import Any

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Author(models.Model):
    name = models.CharField(max_length=50)
    password_hash = models.CharField(max_length=50, default="sesame")
    api_Token = models.CharField(max_length=50, default="t")  # noqa: N815

    def __str__(self) -> str:
        return self.name


class Tag(models.Model):
    name = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.name


class Post(models.Model):
    title = models.CharField(max_length=100, verbose_name="the title")
    text = models.TextField(default="")
    views = models.IntegerField(default=0)
    published = models.DateTimeField(null=True)
    details = models.JSONField(default=dict)
    author = models.ForeignKey(Author, models.CASCADE, null=True, related_name="posts")
    tags = models.ManyToManyField(Tag, related_name="posts")
    related = models.ManyToManyField("self")

    def __str__(self) -> str:
        return self.title


class News(Post):
    """A proxy model."""

    class Meta:
        proxy = True


class Place(models.Model):
    name = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.name


class Cafe(Place):
    """A child in multi-table inheritance."""

    seats = models.IntegerField(default=4)


class Ticket(models.Model):
    """A model whose primary key is not a number, and which has a `to_dict()`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    title = models.CharField(max_length=50)
    author = models.ForeignKey(Author, models.CASCADE, null=True)

    def __str__(self) -> str:
        return self.title

    def to_dict(self) -> dict[str, Any]:
        return {"shown": self.title.upper(), "by": self.author.name if self.author else None}


class Room(models.Model):
    slug = models.CharField(max_length=20)
    seats_taken = models.IntegerField(default=0)
    remarks = GenericRelation("Remark", content_type_field="kind", object_id_field="key")

    def __str__(self) -> str:
        return self.slug


class Seat(models.Model):
    """A model whose events use the channel of its room. Deleting the room deletes it, too."""

    room = models.ForeignKey(Room, models.CASCADE)
    number = models.IntegerField(default=0)
    guests = models.ManyToManyField(Author, through="Booking")

    def __str__(self) -> str:
        return f"{self.room} {self.number}"


class Booking(models.Model):
    """The `through` model of a many-to-many relation."""

    seat = models.ForeignKey(Seat, models.CASCADE)
    guest = models.ForeignKey(Author, models.CASCADE)

    def __str__(self) -> str:
        return f"{self.seat} {self.guest}"


class Remark(models.Model):
    kind = models.ForeignKey(ContentType, models.CASCADE)
    key = models.IntegerField()
    about = GenericForeignKey("kind", "key")

    def __str__(self) -> str:
        return f"on {self.about}"


class Base(models.Model):
    """An abstract model, which has no objects."""

    class Meta:
        abstract = True
