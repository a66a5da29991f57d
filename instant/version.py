"""The version of the package, of its JavaScript client and of the Go publisher."""

__version__ = "5.0.0"
