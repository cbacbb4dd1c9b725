"""The broker: what enters the log is written to every open stream of its org. It knows no HTTP and no kind."""
