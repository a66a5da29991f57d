{# Runs once the client is there, with centrifuge, unpack_data and instantDebug. A template of the same name in your project replaces it. #}
