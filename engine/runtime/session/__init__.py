"""One session in this process: its cached fold, its commits, its owner and its checkpointer."""
