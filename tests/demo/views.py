"""The views of the demo: the page, and its form for publishing."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from instant import publish
from instant.access.channel_access import may_join

from .seed import PEOPLE


def index(request: HttpRequest) -> HttpResponse:
    return render(request, "demo/index.html", {"people": PEOPLE, "page": {"user": request.user.get_username()}})


@require_POST
@login_required
def publish_message(request: HttpRequest) -> JsonResponse:
    """Publish to a channel that the user may join. This rule is the demo's, not django-instant's."""
    channel = request.POST.get("channel", "")
    if not may_join(request.user, channel):
        return JsonResponse({"reason": "You may not publish to this channel."}, status=403)
    error = publish(
        channel,
        f"{request.user.get_username()}: {request.POST.get('message', '')}",
        event_class=request.POST.get("event_class") or None,
        fail_silently=True,
    )
    if error:
        return JsonResponse({"reason": str(error)}, status=502)
    return JsonResponse({"response": "ok"})
