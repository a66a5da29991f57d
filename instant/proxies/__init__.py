"""What the websockets server asks Django: a dict becomes a frozen dataclass, the router has it answered, and a reply is
always explicit. Nothing here knows of HTTP; `instant.views.proxies` is the door."""
