"""The log on NATS JetStream: one stream that all nodes of a cluster append to and follow. ``log`` is the event log itself."""
