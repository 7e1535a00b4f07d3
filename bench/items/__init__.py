"""The work items: one module each, listed in `bench.registry`."""
