"""The instruments that judge the structure of the package: imports, figures, the public API, the documented paths."""
