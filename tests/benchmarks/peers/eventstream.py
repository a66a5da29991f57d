"""`python eventstream.py CHANNEL COUNT WARM_UP TEXT`, in a venv of its own: send_event() of django-eventstream."""

import json
import os
import sys
import time
from urllib.parse import urlsplit

import django
from django.conf import settings

address = urlsplit(os.environ["BENCH_REDIS"])
settings.configure(
    INSTALLED_APPS=["django_eventstream"],
    EVENTSTREAM_REDIS={"host": address.hostname, "port": address.port, "db": 0},
)
django.setup()

from django_eventstream import send_event  # noqa: E402

channel, count, warm_up, text = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
for _ in range(warm_up):
    send_event(channel, "message", {"text": text})
start = time.perf_counter()
for _ in range(count):
    send_event(channel, "message", {"text": text})
seconds = time.perf_counter() - start
print(json.dumps({"messages": count, "caller": seconds, "total": seconds}))
