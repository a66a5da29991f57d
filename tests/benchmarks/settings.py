"""Settings of a process that publishes: those of the tests, and the server that BENCH_… in the environment names."""

import json
import os

from tests.settings import *  # noqa: F403

CENTRIFUGO_HOST = os.environ.get("BENCH_URL", "http://127.0.0.1:8427")
CENTRIFUGO_PORT = None
CENTRIFUGO_API_KEY = os.environ.get("BENCH_API_KEY")
CENTRIFUGO_HMAC_KEY = os.environ.get("BENCH_HMAC_KEY")
INSTANT_BROADCAST_WITH = os.environ.get("BENCH_BACKEND", "python")
#: 10,000 messages in one call are for the time that they take, not for the time-out.
INSTANT_PUBLISH_TIMEOUT = 60.0
INSTANT_GO_SOCKET = os.environ.get("BENCH_GO_SOCKET")
if "BENCH_DATABASE" in os.environ:
    DATABASES = {"default": json.loads(os.environ["BENCH_DATABASE"])}
