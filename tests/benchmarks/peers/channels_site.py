"""In a venv of its own, for daphne: the same echo and the same fan-out by django-channels; as a program, the sender."""

import json
import os
import sys

import django
from django.conf import settings

settings.configure(
    SECRET_KEY=os.environ["BENCH_SECRET_KEY"],
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    DATABASES={"default": {**json.loads(os.environ["BENCH_DATABASE"]), "CONN_MAX_AGE": 600}},
    USE_TZ=True,
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": [os.environ["BENCH_REDIS"]], "capacity": 10_000},
        }
    },
)
django.setup()

from asgiref.sync import async_to_sync  # noqa: E402
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.generic.websocket import AsyncJsonWebsocketConsumer, JsonWebsocketConsumer  # noqa: E402
from channels.layers import get_channel_layer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.urls import path  # noqa: E402


class Echo(AsyncJsonWebsocketConsumer):
    """As fast as it goes: who is logged in was looked at when the websocket was opened."""

    async def receive_json(self, content):
        if self.scope["user"].is_authenticated:
            await self.send_json({"value": int(content["number"])})


class EchoForUser(JsonWebsocketConsumer):
    """What a signal does: a synchronous function, and a user who is read again for each call."""

    def receive_json(self, content):
        user = get_user_model().objects.filter(pk=self.scope["user"].pk, is_active=True).first()
        if user is not None:
            self.send_json({"value": int(content["number"])})


class Crowd(AsyncJsonWebsocketConsumer):
    """A window in the one group."""

    groups = ["crowd"]

    async def connect(self):
        await self.accept()
        await self.send_json({})

    async def news(self, event):
        await self.send_json({"name": event["name"], "opts": event["opts"]})


routes = [
    path("echo/", Echo.as_asgi()),
    path("echo-user/", EchoForUser.as_asgi()),
    path("crowd/", Crowd.as_asgi()),
]
application = ProtocolTypeRouter({"websocket": AuthMiddlewareStack(URLRouter(routes))})


def main():
    """Say that it is ready, and send with each line of the input."""
    send = async_to_sync(get_channel_layer().group_send)
    print("ready", flush=True)
    for line in sys.stdin:
        send("crowd", {"type": "news", "name": "bench.news", "opts": {"number": int(line)}})


if __name__ == "__main__":
    main()
