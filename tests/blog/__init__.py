"""An app of the tests: models that events tell of."""
