"""The audit: the checks of an event, of a session and of a store."""
