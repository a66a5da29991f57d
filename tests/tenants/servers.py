"""The WSGI and the ASGI application of the site."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.tenants.settings")
wsgi, asgi = get_wsgi_application(), get_asgi_application()
