"""The load generator: a process of its own that takes commands, one JSON text a line, and answers each with one.

It knows nothing of the servers beyond what it is told: requests as text, and what an opened stream begins with.
"""
