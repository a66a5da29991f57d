"""`python channels-redis.py CHANNEL COUNT WARM_UP TEXT`, in a venv of its own: group_send() from synchronous code."""

import json
import os
import sys
import time

from asgiref.sync import async_to_sync
from channels_redis.core import RedisChannelLayer

group, count, warm_up, text = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
layer = RedisChannelLayer(hosts=[os.environ["BENCH_REDIS"]])
member = async_to_sync(layer.new_channel)()
async_to_sync(layer.group_add)(group, member)
send = async_to_sync(layer.group_send)
for _ in range(warm_up):
    send(group, {"type": "chat.message", "text": text})
start = time.perf_counter()
for _ in range(count):
    send(group, {"type": "chat.message", "text": text})
seconds = time.perf_counter() - start
print(json.dumps({"messages": count, "caller": seconds, "total": seconds}))
