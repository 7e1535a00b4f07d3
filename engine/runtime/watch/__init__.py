"""Tasks that follow sessions: subscriptions, live streams and keep-alive loops."""
