"""The event log on SQLite: one file on this machine's disk, and history that survives a restart.

The law of this package: an append is answered after its commit, and sqlite3 is imported here and nowhere else. ``log.py`` is what the rest
of Redline sees, and lives on the event loop with ``committer.py`` and ``index.py``; ``store.py`` is the file, and lives on two threads;
what passes between them is in ``batch.py``.
"""
