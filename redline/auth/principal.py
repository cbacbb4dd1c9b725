"""Who a credential stands for, and what they may do.

The law of this module: it holds every permission check there is. A principal is a value that was proven elsewhere (a token, a ticket);
what it may do follows from its fields alone, and a refusal never tells anything about another org.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from redline.envelope import parse_org
from redline.errors import Detail, Forbidden, InvalidPayload

if TYPE_CHECKING:
    from redline.broker.filter import KindFilter
    from redline.envelope import OrgId

STREAM_READ = "stream:read"
"""The scope to open a stream, or to buy a ticket for one."""
EVENTS_PUBLISH = "events:publish"
"""The scope to publish."""
ADMIN = "admin"
"""The scope for what is the operators' own. It implies no other scope."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a credential stands for.

    ``org`` is None for a service (the claim ``*``). ``kinds`` is None for all kinds, and a filter that admits nothing where the claim is an
    empty array. ``expires`` is the credential's end, in seconds since the Unix epoch, at most the last second of the year 9999.
    ``subject`` and ``token_id`` are the claims ``sub`` and ``jti``.
    """

    org: OrgId | None
    scopes: frozenset[str]
    kinds: KindFilter | None
    expires: float
    subject: str | None = None
    token_id: str | None = None

    def require(self, scope: str) -> None:
        """Raise :class:`~redline.errors.Forbidden` unless the credential holds ``scope``."""
        if scope not in self.scopes:
            msg = f'The credential lacks the scope "{scope}". Use one whose "scope" claim holds it.'
            raise Forbidden(msg)

    def stream_org(self) -> OrgId:
        """Return the org whose stream this principal may open.

        Raises :class:`~redline.errors.Forbidden` for a service: a stream belongs to one org, and one of all would be a leak between them.
        """
        if self.org is None:
            msg = 'The credential stands for a service (its org is "*"), and a service opens no stream. Use one that is bound to an org.'
            raise Forbidden(msg)
        return self.org

    def publish_org(self, requested: object = None) -> OrgId:
        """Return the org that this principal's event goes to: the only permission check on orgs.

        ``requested`` is the event's ``org`` as parsed from JSON, None where it is absent. Raises
        :class:`~redline.errors.InvalidPayload` where it is no org id, or absent from a service's event, and
        :class:`~redline.errors.Forbidden` where it is another org than the credential's, whether or not that one exists.
        """
        if requested is None:
            if self.org is None:
                _refuse_org("a service's credential belongs to no org: name the org that the event is for", "missing")
            return self.org
        try:
            org = parse_org(requested)
        except ValueError as error:
            _refuse_org(str(error), "org")
        if self.org is not None and org != self.org:
            msg = 'The credential may publish to its own org only. Leave "org" out, or use a credential of the org that the event names.'
            raise Forbidden(msg, details=(Detail("/org", "not the credential's org", "forbidden"),))
        return org

    def see_kind(self, kind: str, scope: str | None) -> None:
        """Raise :class:`~redline.errors.Forbidden` unless the credential holds the scope that a kind's readers need, where it needs one.

        For a kind that was asked for by its name: a stream that could never bring it would only be silent.
        """
        if scope is not None and scope not in self.scopes:
            msg = f'The credential lacks the scope "{scope}", which {kind} needs. Use one whose claim holds it, or leave the kind out.'
            raise Forbidden(msg, details=(Detail("/kinds", f"{kind} needs the scope {scope}", "forbidden"),))

    def publish_kind(self, kind: str) -> None:
        """Raise :class:`~redline.errors.Forbidden` unless the credential's ``kinds`` admit ``kind``."""
        if self.kinds is not None and not self.kinds.admits(kind):
            msg = 'The credential\'s "kinds" claim does not admit this kind. Use one whose claim names it, or that has no such claim.'
            raise Forbidden(msg, details=(Detail("/kind", "not among the credential's kinds", "forbidden"),))


def _refuse_org(message: str, kind: str) -> NoReturn:
    msg = f'The event\'s "org" cannot be used: {message}.'
    raise InvalidPayload(msg, details=(Detail("/org", message, kind),)) from None
