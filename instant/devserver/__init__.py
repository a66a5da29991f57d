"""A stand-in for Centrifugo v6.9 in development and tests: the same config, client protocol and HTTP API.

Read `session.py` first: it implements the protocol of one client, without I/O. `hub.py` keeps the channels, `api.py` is
the HTTP API as a function, and `app.py` serves the sockets. All data is kept in memory and is lost when the process
exits. Use Centrifugo in production.
"""
