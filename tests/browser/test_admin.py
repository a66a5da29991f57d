"""The admin in a real browser: what its script does, and a message sent by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer as DjangoServer

from instant.access.tokens import channel_token, connection_token
from instant.models import Channel
from instant.testing import LiveServer
from tests.clients import SyncClient

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.browser.pages")]


def test_groups_show_at_their_level_and_a_message_is_sent(
    server: LiveServer, live_server: DjangoServer, new_page: Callable[[], Page]
) -> None:
    root = User.objects.create_superuser("root", password="secret")
    Channel.objects.create(name="editors", level="groups")
    Channel.objects.create(name="users", level="users")
    page = new_page()
    page.goto(f"{live_server.url}/admin/login/?next=/admin/instant/channel/")
    page.fill("#id_username", "root"), page.fill("#id_password", "secret"), page.click("[type=submit]")
    page.click("text=$editors")
    groups = page.locator(".field-groups")
    expect(groups).to_be_visible()
    page.select_option("#id_level", "staff")
    expect(groups).to_be_hidden()
    page.select_option("#id_level", "groups")
    expect(groups).to_be_visible()
    with SyncClient(server.websocket_url, connection_token(root)) as client:
        client.join("$users", channel_token("$users", root))
        page.goto(f"{live_server.url}/admin/instant/channel/")
        page.check("tr:has-text('$users') input[name=_selected_action]")
        page.select_option("[name=action]", "send_message")
        page.click("button[name=index]")
        page.fill("[name=message]", "from the admin")
        page.click("[name=send]")
        expect(page.locator(".messagelist .success")).to_have_text("Sent to 1 channel.")
        client.wait(lambda: client.texts() == ["from the admin"])
        page.click("text=$users")
        expect(page.locator(".field-subscribers .readonly")).to_have_text("1")
        expect(page.locator(".field-who_may_join .readonly")).to_have_text("1 user")
