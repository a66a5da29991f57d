"""A site with two tenants, by host name, each with a database of its own and equal primary keys."""
