"""The server's own count of publications: the position of a channel's history, else the metric of the whole server."""

from __future__ import annotations

import json
import os
import re

import urllib3

#: No history in the channel.
NOT_AVAILABLE = 108
_METRIC = re.compile(r'^centrifug[a-z_]*node_messages_sent_count{.*type="publication".*} (\S+)$', re.MULTILINE)

_pool = urllib3.PoolManager()


def count(channel: str) -> int | None:
    """Return how many messages the server has published in `channel`; None where it keeps no history."""
    answer = call("history", channel=channel, limit=0)
    error = answer.get("error")
    if error and error["code"] == NOT_AVAILABLE:
        return None
    if error:
        raise RuntimeError(f"history of {channel}: {error}")
    return int(answer["result"].get("offset", 0))


def published() -> int | None:
    """Return how many messages the server has published in all, or None where it shows no metrics."""
    answer = _pool.request("GET", f"{os.environ['BENCH_URL']}/metrics", timeout=10)
    numbers = _METRIC.findall(answer.data.decode()) if answer.status == 200 else []
    return int(sum(float(number) for number in numbers)) if numbers else None


def call(method: str, **params: object) -> dict:
    """Ask the server's API."""
    answer = _pool.request(
        "POST",
        f"{os.environ['BENCH_URL']}/api/{method}",
        body=json.dumps(params).encode(),
        headers={"X-API-Key": os.environ["BENCH_API_KEY"], "Content-Type": "application/json"},
        timeout=30,
    )
    if answer.status != 200:
        raise RuntimeError(f"the server answered {method} with HTTP {answer.status}")
    return answer.json()
