"""Whether a kind still takes what it took: old against new, judged from the schemas and from what the policy says of size and scope.

The law of this package: a clean answer is a proof. Where :func:`compare` finds nothing breaking and nothing that it cannot judge, every
payload that the old schema takes is taken by the new one. It never guesses: what it does not understand, and what differs there, it says.

The direction. A kind's schema is a promise to both sides. To publishers it says what is taken, so whatever takes less breaks them. To
subscribers it says which keys they may look for, so a documented key that goes breaks them, also where unknown keys are still let through.
What takes more (a new key or value, a key no longer required) does not break what the schema promised, yet a subscriber may meet something
new in it; so every such change is named, as compatible. The terms of its policy are a promise as well: to publishers how many bytes a
payload may have, to both sides who reads it.
"""

from redline.kinds.compatibility.changes import Change, Verdict, compare
from redline.kinds.compatibility.exports import Export, ExportError, Terms, compare_exports, read_export, write_export

__all__ = ["Change", "Export", "ExportError", "Terms", "Verdict", "compare", "compare_exports", "read_export", "write_export"]
