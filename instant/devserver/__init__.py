"""A stand-in for Centrifugo v6.9 for development and tests: the same config, client protocol and HTTP API.

Read `session.py` first: one client's protocol without I/O. `hub.py` holds the channels, `api.py` the HTTP API
as a function, `app.py` the sockets. All is in memory and ends with the process; production runs Centrifugo.
"""
