"""The cache of the tests, which stands for one that all processes of a site share."""

from __future__ import annotations

from django.core.cache.backends.locmem import LocMemCache


class SharedCache(LocMemCache):
    """A cache of one process, as LocMemCache is, that no check takes for one."""
