"""The command line: `perdure`, and `python -m perdure.cli`. Nothing else imports this package."""

from perdure.cli.application import main

__all__ = ["main"]
