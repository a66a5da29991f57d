"""Compatibility with versions 0.1 to 4, df_websockets and django-ws, a file for each. Removed in django-instant 6.0."""
