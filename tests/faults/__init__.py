"""The fault bench: parts are killed, stopped and slowed while messages are on their way; each is looked for."""
