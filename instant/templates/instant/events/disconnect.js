{# Runs when the page has lost its connection, with code and reason. A template of the same name in your project replaces it. #}
