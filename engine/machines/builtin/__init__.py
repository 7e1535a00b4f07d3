"""perdure's own machines, each a declaration in the language that users have."""
