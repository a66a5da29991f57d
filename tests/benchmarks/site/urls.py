"""The urls of django-instant, and the same function as a view: who is logged in sends JSON, and gets JSON."""

from __future__ import annotations

import json

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from instant.windows import WindowInfo

from .windows import echo as function


@csrf_exempt
@require_POST
def echo(request: HttpRequest) -> HttpResponse:
    """What a project would write without signals."""
    if not request.user.is_authenticated:
        return JsonResponse({"error": "log in"}, status=403)
    number = int(json.loads(request.body)["number"])
    return JsonResponse({"value": function(WindowInfo(), number)})


urlpatterns = [path("instant/", include("instant.urls")), path("echo/", echo)]
