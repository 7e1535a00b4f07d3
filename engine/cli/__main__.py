"""Runs the command line as ``python -m perdure.cli``."""

from perdure.cli import main

if __name__ == "__main__":  # the audit's processes import this module too
    main()
