"""The handlers that are measured, and a client process for them."""
