"""The SQLite store: one file, one committer, many readers."""
