"""A site whose function is called in two ways: as a signal over the websocket, and by a view of its own."""
