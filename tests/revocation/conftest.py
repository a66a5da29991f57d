from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client


@pytest.fixture
def browser(alice: User) -> Client:
    """The browser of the module's `alice`, who is logged in."""
    client = Client()
    client.force_login(alice)
    return client
