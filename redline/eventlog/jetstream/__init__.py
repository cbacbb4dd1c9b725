"""The log on NATS JetStream: one stream that all nodes of a cluster append to and follow. ``log`` is the :class:`~redline.eventlog.contract.EventLog`."""
