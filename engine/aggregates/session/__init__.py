"""The session: its events and commands, its state, `decide` and `evolve`, and the conversation."""
