from __future__ import annotations

from django.contrib.auth import get_user_model, login
from django.contrib.staticfiles.views import serve
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import engines
from django.urls import include, path

from instant import online, presence, publish, publish_many
from instant.windows import BROADCAST, USER, set_websocket_topics, trigger

from . import current
from .models import Note

_PAGE = engines["django"].from_string(
    """<!doctype html><title>{{ request.get_host }}</title><script>const heard = [], lost = [];</script>
    {% include "instant/client.html" %}
    <script>
      instant.on("*", ({channel, message, data}) => heard.push([channel, message || data]));
      instant.windows.connect("mark", ({of}) => heard.push(["signal", of]));
      instant.onRightsChanged((event) => event.preventDefault());
      instant.onRevoked(({channel}) => lost.push(channel));
    </script>"""
)


def page(request: HttpRequest) -> HttpResponse:
    set_websocket_topics(request, "topic")
    return HttpResponse(_PAGE.render({}, request))


def enter(request: HttpRequest) -> HttpResponse:
    """Log in the one user of this tenant."""
    login(request, get_user_model()._default_manager.get())
    return HttpResponse()


def send(request: HttpRequest) -> HttpResponse:
    """Publish so many messages to each kind of channel."""
    tenant, count = current.name(), int(request.GET["count"])
    kinds = ["news", "$everyone", "$team", "$room:1"]
    publish_many([{"channel": kind, "message": f"{tenant} {number}"} for number in range(count) for kind in kinds])
    user = get_user_model()._default_manager.get()
    publish(f"$user.{user.pk}", tenant)
    Note.objects.create(text=str(tenant))
    request.user = user
    for to in (USER, BROADCAST, "topic"):
        trigger(request, "mark", to=to, of=tenant)
    return HttpResponse()


def who(request: HttpRequest) -> HttpResponse:
    user = get_user_model()._default_manager.get()
    people = [[person.user, person.clients] for person in presence("$everyone")]
    return JsonResponse({"present": people, "online": len(online([user]))})


def leave(request: HttpRequest) -> HttpResponse:
    """Take the user out of the group."""
    get_user_model()._default_manager.get().groups.clear()
    return HttpResponse()


urlpatterns = [
    path("instant/", include("instant.urls")),
    path("enter/", enter),
    path("send/", send),
    path("who/", who),
    path("leave/", leave),
    path("static/<path:path>", serve, {"insecure": True}),
    path("", page),
]
