from __future__ import annotations

import json
import time
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import auth
from django.contrib.auth import authenticate, login, logout, update_session_auth_hash
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path

from instant.models import Channel

from . import causes
from .models import Guest, Person, Team, Wing


def _made(name: str) -> tuple[Person, Group, Channel]:
    guest = Guest.objects.get(username=name)
    return Person.objects.get(pk=guest.pk), Group.objects.get(name=name), Channel.objects.get(name=f"${name}")


def make(request: HttpRequest) -> HttpResponse:
    """Make a user, a group and a channel of this name, objects of the children of their classes."""
    content: dict[str, Any] = json.loads(request.body)
    name, level = content["name"], content["level"]
    with transaction.atomic():
        user = Guest(username=name, is_staff=level == "staff", is_superuser=level == "superuser")
        user.set_password("pw")
        user.save()
        group = Team.objects.create(name=name)
        user.groups.add(group.group_ptr)
        wing = Wing.objects.create(name=f"${name}", level="groups" if level.startswith("rule") else level)
        if level == "groups":
            wing.groups.add(group.group_ptr)
        elif level.startswith("rule"):
            _open_desk(user, group.permissions if level == "rule by group" else user.user_permissions)
    return HttpResponse()


def _open_desk(user: Person, permissions: Any) -> None:
    """Let this user join the channel by rule, by a permission that is only the user's."""
    of_person = ContentType.objects.get_for_model(Person)
    permissions.add(Permission.objects.create(codename=user.username, name="desk", content_type=of_person))
    user.last_name = "in"
    user.save()


def enter(request: HttpRequest) -> HttpResponse:
    user = authenticate(request, username=json.loads(request.body)["name"], password="pw")
    assert user is not None
    login(request, user)
    return HttpResponse()


def end(request: HttpRequest) -> HttpResponse:
    """Do what ends the right, in a transaction; answer with the time of its commit."""
    content: dict[str, Any] = json.loads(request.body)
    committed: list[float] = []
    with transaction.atomic():
        transaction.on_commit(lambda: committed.append(time.time()))
        causes.end(content["cause"], *_made(content["name"]))
    return JsonResponse({"at": committed[0]})


def leave(request: HttpRequest) -> HttpResponse:
    """End the own session, or change the own password; answer with the time before that."""
    cause, at = json.loads(request.body)["cause"], time.time()
    if cause == "logout":
        logout(request)
    elif cause == "session.flush":
        request.session.flush()
    else:
        user: Any = request.user
        user.set_password("another")
        user.save()
        update_session_auth_hash(request, user)
    return JsonResponse({"at": at})


async def aleave(request: HttpRequest) -> HttpResponse:
    at = time.time()
    alogout = getattr(auth, "alogout", None) or sync_to_async(logout)  # new in Django 5
    await alogout(request)
    return JsonResponse({"at": at})


def all_causes(request: HttpRequest) -> HttpResponse:
    return JsonResponse(causes.all_causes())


urlpatterns = [
    path("instant/", include("instant.urls")),
    path("make/", make),
    path("enter/", enter),
    path("end/", end),
    path("leave/", leave),
    path("aleave/", aleave),
    path("causes/", all_causes),
]
