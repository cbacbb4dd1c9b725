"""Logging set-up, and the redaction of credentials.

The law of this package: no credential leaves in a log record, whoever wrote it and whoever reads it. What a credential looks like is known
to :mod:`~redline.logs.text`, where a record may hold one to :mod:`~redline.logs.record`, and which loggers see to it to
:mod:`~redline.logs.loggers`.
"""

from redline.logs.loggers import FAMILIES, LEVELS, configure_logging, install_redaction
from redline.logs.record import Redactor
from redline.logs.text import redact

__all__ = ["FAMILIES", "LEVELS", "Redactor", "configure_logging", "install_redaction", "redact"]
