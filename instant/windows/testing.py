"""`SignalQueue` and `call` under their documented path; see `instant.testing.signals`."""

from ..testing.signals import SignalQueue, call

__all__ = ["SignalQueue", "call"]
