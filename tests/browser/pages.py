"""Pages for the browser tests: whatever a test puts here is served at /pages/<name>."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import include, path

PAGES: dict[str, str] = {}


def page(request: HttpRequest, name: str) -> HttpResponse:
    return HttpResponse(engines["django"].from_string(PAGES[name]).render({}, request))


urlpatterns = [
    path("pages/<str:name>", page),
    path("admin/", admin.site.urls),
    path("instant/", include("instant.urls")),
]
