"""An app whose signals a real Celery worker calls; see test_celery.py."""
