"""Several nodes of the server that work as one."""
