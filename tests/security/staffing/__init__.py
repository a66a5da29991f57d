"""A site with a user model of its own, and with proxies and children of users, groups and channels."""
