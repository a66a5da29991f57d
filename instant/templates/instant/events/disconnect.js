{# Runs when the page has lost its connection. Variables: code and reason. To override it, add a template of the same name to your project. #}
