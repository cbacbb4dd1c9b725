"""The event log: where an org's events are ordered, numbered and retained. ``contract`` says what every log promises."""
