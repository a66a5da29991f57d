{# Runs for each message of a channel that has no handler. Variables: event_class, channel, message, data, site, uid and timestamp. To override it, add a template of the same name to your project. #}
