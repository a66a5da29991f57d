"""What a check, an error, a log or a page of the documentation tells people to run."""
