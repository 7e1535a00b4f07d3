"""The words that a lifecycle is declared in, and the rules that a declaration has to keep."""
