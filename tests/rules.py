"""For tests that add rules: none of them outlives its test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from instant.channels import rules


@pytest.fixture(autouse=True)
def no_rules_left() -> Iterator[None]:
    """Forget the rules that the test has added."""
    before = rules.registered()
    yield
    rules._rules[:] = before
    rules._find_namespaces()
