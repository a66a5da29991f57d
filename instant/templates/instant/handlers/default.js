{# Runs for each message of a channel without a handler of its own, with event_class, channel, message, data, site, uid and timestamp. A template of the same name in your project replaces it. #}
