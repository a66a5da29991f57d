"""The admin of pending revocations: read only."""

from __future__ import annotations

import html
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import formats, timezone
from pytest_django import Settings

from instant.models import Revocation

pytestmark = pytest.mark.django_db

LIST, ADD = "/admin/instant/revocation/", "/admin/instant/revocation/add/"


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="pw"))
    return client


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann", pk=777)


@pytest.fixture
def rows(ann: User) -> list[Revocation]:
    # A live server of another test may have written one after that test's end.
    Revocation.objects.all().delete()
    now = timezone.now()
    until = now + timedelta(minutes=5)
    return Revocation.objects.bulk_create(
        [
            Revocation(user=str(ann.pk), next_at=now),
            Revocation(user=str(ann.pk), session="5e55" * 16, next_at=now, until=until),
            Revocation(user="31", session=Revocation.ALL_SESSIONS, next_at=now, until=until),
            Revocation(channel="$editors", next_at=now, until=until),
        ]
    )


ALL = ["user 777", "user 777, one session", "user 31, all sessions", "channel $editors"]


def page(response: HttpResponse) -> str:
    assert response.status_code == 200
    return html.unescape(response.content.decode())


def listed(client: Client, search: str = "") -> list[str]:
    response = client.get(LIST, {"q": search} if search else {})
    assert response.status_code == 200
    model_admin = response.context["cl"].model_admin
    return [model_admin.about(row) for row in response.context["cl"].result_list]


def test_the_list_says_what_each_is_about_and_until_when(admin: Client, rows: list[Revocation]) -> None:
    assert listed(admin) == ALL
    text = page(admin.get(LIST))
    assert "not enforced yet" in text
    assert "5e55" not in text


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("ann", ALL[:2]),
        ("777", ALL[:2]),
        ("31", ALL[2:3]),
        ("edit", ALL[3:]),
        ("3", []),
        ("nobody", []),
    ],
)
def test_search_by_user_and_channel(admin: Client, rows: list[Revocation], search: str, expected: list[str]) -> None:
    assert listed(admin, search) == expected


def test_search_by_username_where_that_is_the_id(admin: Client, ann: User, settings: Settings) -> None:
    settings.INSTANT_USER_ID = "username"
    Revocation.objects.create(user="ann", next_at=timezone.now())
    assert listed(admin, "ann") == ["user ann"]


def test_nothing_can_be_added_changed_or_deleted(admin: Client, rows: list[Revocation]) -> None:
    row = rows[3]
    change, delete = (reverse(f"admin:instant_revocation_{name}", args=[row.pk]) for name in ("change", "delete"))
    text = page(admin.get(change))
    assert "channel $editors" in text
    assert formats.localize(timezone.template_localtime(row.until)) in text
    assert 'name="_save"' not in text
    assert 'name="channel"' not in text
    assert admin.get(ADD).status_code == 403
    assert admin.post(ADD, {"channel": "x"}).status_code == 403
    assert admin.post(change, {"channel": "x"}).status_code == 403
    assert admin.post(delete, {"post": "yes"}).status_code == 403
    action = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    admin.post(LIST, action)
    assert "delete_selected" not in page(admin.get(LIST))
    assert list(Revocation.objects.order_by("pk")) == rows
    row.refresh_from_db()
    assert row.channel == "$editors"


def test_staff_need_the_permission_to_view(rows: list[Revocation]) -> None:
    clerk = User.objects.create_user("clerk", is_staff=True)
    client = Client()
    client.force_login(clerk)
    assert client.get(LIST).status_code == 403
    clerk.user_permissions.add(Permission.objects.get(codename="view_revocation"))
    assert listed(client) == ALL
