"""Exhaustive checks: every reachable state of a machine, and the shortest way to a violation."""
