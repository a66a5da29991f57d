{# Runs when the page has connected, with the server's context. A template of the same name in your project replaces it. #}
