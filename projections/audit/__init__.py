"""The audit: what a log must satisfy, event by event, session by session, store by store."""
