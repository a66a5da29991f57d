"""Calls from browsers, which Centrifugo forwards to Django.

`requests` parses them to frozen dataclasses, `rpc` answers them, and `replies` builds the replies. This package does
not depend on HTTP; `instant.views.proxies` contains the endpoint.
"""
