"""Which options a channel has, and whether clients may use its name."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instant.devserver.config import Config
    from instant.devserver.config_options import ChannelOptions


class ChannelRules:
    """The rules for channel names in a config."""

    def __init__(self, config: Config) -> None:
        self.take(config)

    def take(self, config: Config) -> None:
        """Use this config from now on."""
        self._section = config.channel
        options = {"": config.channel.without_namespace, **config.namespaces}
        self._options = {name: self._complete(item) for name, item in options.items()}

    def options(self, channel: str) -> ChannelOptions | None:
        """Return the options of the channel's namespace, or None if the namespace is unknown."""
        return self._options.get(self._split(channel)[0])

    def is_private(self, channel: str) -> bool:
        """Return whether clients always need a token for the channel, whatever its namespace allows."""
        return channel.startswith(self._section.private_prefix)

    def is_user_limited(self, channel: str, options: ChannelOptions) -> bool:
        """Return whether the channel's name lists the users who may subscribe."""
        return options.allow_user_limited_channels and self._section.user_boundary in channel

    def lists_user(self, channel: str, user: str) -> bool:
        """Return whether the user is in the list after the last boundary of a user-limited name."""
        listed = channel.rpartition(self._section.user_boundary)[2]
        return user in listed.split(self._section.user_separator)

    def is_valid(self, channel: str, options: ChannelOptions) -> bool:
        """Return whether clients may use the name.

        The part after the namespace must match the namespace's regular expression. Without one, the name must be ASCII.
        """
        if options.channel_regex:
            return re.search(options.channel_regex, self._split(channel)[1]) is not None
        return channel.isascii()

    def is_too_long(self, channel: str) -> bool:
        """Return whether the name has more bytes than `channel.max_length`."""
        return len(channel.encode("utf-8", "surrogatepass")) > self._section.max_length

    def personal_channel(self, namespace: str, user: str) -> str:
        """Return the name of a user's personal channel."""
        boundary = self._section.user_boundary
        return f"{namespace}{self._section.namespace_boundary}{boundary}{user}" if namespace else boundary + user

    def _split(self, channel: str) -> tuple[str, str]:
        name = channel.removeprefix(self._section.private_prefix)
        namespace, boundary, rest = name.partition(self._section.namespace_boundary)
        return (namespace, rest) if boundary else ("", name)

    def _complete(self, options: ChannelOptions) -> ChannelOptions:
        return replace(
            options,
            history_meta_ttl=options.history_meta_ttl or self._section.history_meta_ttl,
            publication_data_format=options.publication_data_format or self._section.publication_data_format,
        )
