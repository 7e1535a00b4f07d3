"""One turn that the engine runs: its agent, its admission, its boundaries and its failures."""
