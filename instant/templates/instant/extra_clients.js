{# Runs once, when the client exists. Variables: centrifuge, unpack_data and instantDebug. To override it, add a template of the same name to your project. #}
