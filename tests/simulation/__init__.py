"""A deterministic simulation of perdure: everything that happens follows from a seed.

See `docs/simulation.md`. One seed is one run of `seeds.run`.
"""
