"""In a venv of its own, for daphne: the same echoes by consumers of django-channels, without a user and a layer."""

import django
from django.conf import settings

settings.configure(SECRET_KEY="of a benchmark", INSTALLED_APPS=[], USE_TZ=True)
django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402


class Plain(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=text_data)


class Async(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data=text_data)


routes = [path("socket/plain", Plain.as_asgi()), path("socket/async", Async.as_asgi())]
application = ProtocolTypeRouter({"websocket": URLRouter(routes)})
