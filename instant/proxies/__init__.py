"""Calls from browsers, which Centrifugo forwards. A dict becomes a frozen dataclass, `rpc` answers it, and a reply is
always explicit. This package does not depend on HTTP; `instant.views.proxies` has the endpoint.
"""
