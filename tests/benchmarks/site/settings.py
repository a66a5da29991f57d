"""Its settings: those of the other processes, and a database in a file, with connections that are kept."""

import os

from tests.benchmarks.settings import *  # noqa: F403
from tests.benchmarks.settings import DATABASES, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.benchmarks.site"]
ROOT_URLCONF = "tests.benchmarks.site.urls"
INSTANT_BACKEND_URL = os.environ["BENCH_SITE"]
# Counted as everywhere, but as many calls as there are.
INSTANT_RPC_RATE = "1000000/1s"
DATABASES["default"]["CONN_MAX_AGE"] = 600
