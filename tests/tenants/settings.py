"""The settings of the site with two tenants; run by processes of its own."""

import os
from pathlib import Path

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS, MIDDLEWARE

_FOLDER = Path(os.environ["TENANTS_FOLDER"])
SECRET_KEY = "the two tenants of this site share a secret key, as they share its settings"
DEBUG = False
ALLOWED_HOSTS = [".localhost", "127.0.0.1"]
INSTALLED_APPS = [name for name in INSTALLED_APPS if name != "tests.blog"] + ["tests.tenants"]
MIDDLEWARE = ["tests.tenants.current.Middleware", *MIDDLEWARE, "instant.middleware.InstantMiddleware"]
DATABASES = {
    alias: {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(_FOLDER / f"{alias}.sqlite3"),
        "OPTIONS": {"timeout": 30},
    }
    for alias in ("default", "acme", "beta")
}
DATABASE_ROUTERS = ["tests.tenants.current.Router"]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
ROOT_URLCONF = "tests.tenants.urls"
CORS_ALLOWED_ORIGINS: list[str] = []

INSTANT_TENANT = "tests.tenants.current.name"
INSTANT_TENANT_CONTEXT = "tests.tenants.current.entered"
INSTANT_ALLOW_ANONYMOUS = True
INSTANT_PUBLIC_CHANNELS = [["news"]]
INSTANT_USERS_CHANNELS = [["$everyone"]]
INSTANT_NAMESPACES = {"room": {"allow_presence_for_subscriber": True, "join_leave": True}}
INSTANT_BACKEND_URL = f"http://127.0.0.1:{os.environ['TENANTS_WEB']}"
INSTANT_SOCKETS_URL = f"grpc://127.0.0.1:{os.environ['TENANTS_GRPC']}"
INSTANT_SOCKETS_BRIDGE = f"http://127.0.0.1:{os.environ['TENANTS_BRIDGE']}"
CENTRIFUGO_HOST = "http://127.0.0.1"
CENTRIFUGO_PORT = int(os.environ["TENANTS_PORT"])
INSTANT_WEBSOCKET_URL = f"ws://127.0.0.1:{os.environ['TENANTS_PORT']}"
INSTANT_CHANNEL_TOKEN_TTL = 8
