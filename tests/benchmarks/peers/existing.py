"""`python existing.py CHANNEL COUNT WARM_UP`, in the venv of django-instant 4.2.0: its publish(), in a loop.

A program that imports nothing of this project: the package of the same name would be found instead.
"""

import json
import os
import sys
import time
from urllib.parse import urlsplit

from django.conf import settings

address = urlsplit(os.environ["BENCH_URL"])
settings.configure(
    CENTRIFUGO_HOST=f"{address.scheme}://{address.hostname}",
    CENTRIFUGO_PORT=address.port,
    CENTRIFUGO_API_KEY=os.environ["BENCH_API_KEY"],
    SITE_NAME="Site",
)

from instant.producers import publish  # noqa: E402

channel, count, warm_up, text = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
for _ in range(warm_up):
    publish(f"{channel}_warm", text)
start = time.perf_counter()
for _ in range(count):
    publish(channel, text)
seconds = time.perf_counter() - start
print(json.dumps({"messages": count, "caller": seconds, "total": seconds}))
