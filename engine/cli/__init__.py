"""The command line: `perdure`, and `python -m engine.cli`. Nothing else imports this package."""

from engine.cli.application import main

__all__ = ["main"]
