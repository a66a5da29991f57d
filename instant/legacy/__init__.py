"""What versions 0.1 to 4, df_websockets and django-ws need, a file each. Dropped in django-instant 6.0."""
