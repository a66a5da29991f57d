"""Settings of the site: a database and a websockets server of the environment's choice."""

from __future__ import annotations

import os

import django

SECRET_KEY = "security-tests-only-secret-key-of-more-than-fifty-characters-01"
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "instant",
    "tests.security.staffing",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
TRANSACTIONS = os.environ.get("STAFFING_TRANSACTIONS", "IMMEDIATE")
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("STAFFING_DATABASE", ":memory:"),
        # Else a transaction that reads before it writes fails where another thread has written in between.
        "OPTIONS": {"timeout": 60, **({"transaction_mode": TRANSACTIONS} if django.VERSION >= (5, 1) else {})},
    }
}
AUTH_USER_MODEL = "staffing.Person"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ROOT_URLCONF = "tests.security.staffing.urls"
SESSION_ENGINE = os.environ.get("STAFFING_SESSIONS", "django.contrib.sessions.backends.db")
USE_TZ = True
CENTRIFUGO_PORT = int(os.environ.get("STAFFING_PORT", "8427"))
INSTANT_CHANNEL_TOKEN_TTL = int(os.environ.get("STAFFING_CHANNEL_TOKEN_TTL", "300"))
INSTANT_STRICT = bool(os.environ.get("STAFFING_STRICT"))
INSTANT_TOKEN_TTL = int(os.environ.get("STAFFING_TOKEN_TTL", "1800"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
