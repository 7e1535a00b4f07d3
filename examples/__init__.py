"""Example programs built on perdure."""
