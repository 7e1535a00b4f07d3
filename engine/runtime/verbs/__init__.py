"""The verbs of the engine, a module for each subject."""
