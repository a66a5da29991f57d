{# Runs when the page has connected. Variable: context, from the server. To override it, add a template of the same name to your project. #}
