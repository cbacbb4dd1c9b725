"""Event kinds: what a plugin promises (``contract``), the short way to one (``model``), and which are installed (``registry``).

The law of this package: it knows kinds and no event. Streams, logs and brokers lie beneath it and see opaque bytes.
"""
