"""Who and what the demo is about: vendors, their documents, what changes in them, plans and people.

The law of this module: it is all made up (every host is under ``.example``, RFC 2606), it is all constant, and nothing in it happens.
Texts are templates; :data:`WORDS` has what may stand in their braces.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Vendor(NamedTuple):
    """One whose documents are watched."""

    id: str
    name: str
    documents: int
    """How many of its documents are watched."""

    @property
    def host(self) -> str:
        """Where the documents stand."""
        return f"{self.id}.example"


class Template(NamedTuple):
    """A change that may be found. ``before`` and ``after`` are empty where no passage is quoted."""

    category: str
    severity: str
    path: str
    title: str
    summary: str
    before: str = ""
    after: str = ""


class Plan(NamedTuple):
    """What an org may do, as ``org.entitlements.changed`` says it, and by what it got there."""

    plan: str
    source: str
    vendors: int | None
    seats: int | None
    history_days: int | None
    cadence: int
    features: tuple[str, ...]


VENDORS: Final = (
    Vendor("harbor-cloud", "Harbor Cloud", 9),
    Vendor("quill-crm", "Quill CRM", 6),
    Vendor("pylon-pay", "Pylon Pay", 7),
    Vendor("basalt-storage", "Basalt Storage", 5),
    Vendor("tern-analytics", "Tern Analytics", 6),
    Vendor("orchard-hr", "Orchard HR", 4),
    Vendor("keel-identity", "Keel Identity", 5),
    Vendor("lumen-mail", "Lumen Mail", 8),
    Vendor("fjord-logs", "Fjord Logs", 4),
    Vendor("moss-desk", "Moss Desk", 6),
    Vendor("cairn-maps", "Cairn Maps", 3),
    Vendor("saffron-sign", "Saffron Sign", 5),
    Vendor("willow-cdn", "Willow CDN", 4),
    Vendor("ember-queue", "Ember Queue", 3),
    Vendor("granite-vault", "Granite Vault", 6),
    Vendor("heron-voice", "Heron Voice", 5),
)

CHANGES: Final = (
    Template(
        "pricing", "high", "/pricing", "{tier} plan goes up by {percent} %",
        "{vendor} raised the list price of its {tier} plan from ${price} to ${price_up} per seat and month, from the next renewal on.",
        "{tier}: ${price} per seat and month, billed annually.", "{tier}: ${price_up} per seat and month, billed annually.",
    ),
    Template(
        "pricing", "medium", "/pricing", "Free allowance cut to {count},000 requests",
        "The included allowance is smaller; what goes beyond it is billed at the {tier} rate.",
        "Includes {count_up},000 requests a month.", "Includes {count},000 requests a month.",
    ),
    Template(
        "terms", "high", "/legal/terms", "Liability cap lowered to {months} months of fees",
        "The cap on {vendor}'s liability went from twelve months of fees paid to {months}.",
        "... shall not exceed the fees paid in the twelve (12) months before the claim.",
        "... shall not exceed the fees paid in the {months} months before the claim.",
    ),
    Template(
        "terms", "medium", "/legal/terms", "Notice of changes shortened to {days} days",
        "{vendor} may now change its terms with {days} days' notice by email.",
        "We will give you at least 60 days' notice of material changes.",
        "We will give you at least {days} days' notice of material changes.",
    ),
    Template(
        "terms", "low", "/legal/acceptable-use", "Acceptable use: wording tidied",
        "Headings were renumbered and two sentences merged. Nothing else reads differently.",
    ),
    Template(
        "privacy", "high", "/legal/privacy", "Usage data may train models",
        "A new paragraph lets {vendor} use de-identified usage data to improve its models, with an opt-out in the settings.",
        "", "We may use de-identified usage data to train and improve our models. You may opt out in your workspace settings.",
    ),
    Template(
        "privacy", "medium", "/legal/privacy", "Logs retained for {days} days",
        "The retention of access logs is now {days} days. It was 30.",
        "Access logs are deleted after 30 days.", "Access logs are deleted after {days} days.",
    ),
    Template(
        "security", "critical", "/security/advisories", "Advisory: {weakness} in the {component}",
        "{vendor} disclosed {weakness} in its {component}, fixed in release {release}. Customers are asked to rotate their API keys.",
        "", "All API keys issued before release {release} should be rotated.",
    ),
    Template(
        "security", "critical", "/security/incidents", "Incident: unauthorised access to the {component}",
        "{vendor} reports unauthorised access to its {component} over {count} hours. Affected customers are being told.",
        "There are no open incidents.", "We are investigating unauthorised access to our {component}.",
    ),
    Template(
        "security", "medium", "/security", "Penetration test summary replaced",
        "The summary of the yearly test is a new one; {count} findings of medium severity are listed as open.",
    ),
    Template(
        "subprocessor", "high", "/legal/subprocessors", "New subprocessor: {company} ({country})",
        "{vendor} added {company} in {country} for {purpose}, effective in {days} days.",
        "We use {count} subprocessors.", "We use {count_up} subprocessors, among them {company} ({country}) for {purpose}.",
    ),
    Template(
        "subprocessor", "low", "/legal/subprocessors", "Subprocessor removed: {company}",
        "{company} is no longer on the list.", "{company}, {country}: {purpose}.", "",
    ),
    Template(
        "sla", "high", "/legal/sla", "Uptime commitment down to {uptime} %",
        "The monthly uptime that {vendor} commits to is {uptime} %. Credits begin below it.",
        "Monthly uptime of at least 99.95 %.", "Monthly uptime of at least {uptime} %.",
    ),
    Template(
        "sla", "medium", "/legal/support", "First response within {count} hours",
        "The first response to a ticket of normal priority takes up to {count} hours now.",
        "Normal priority: within 4 business hours.", "Normal priority: within {count} business hours.",
    ),
    Template("other", "low", "/about", "New registered address in {country}", "The imprint names an address in {country}."),
    Template(
        "other", "low", "/status", "Status page moved", "The status page answers at a new path and redirects from the old one.",
    ),
)  # fmt: skip

WORDS: Final = {
    "tier": ("Team", "Business", "Scale", "Professional"),
    "percent": ("8", "12", "15", "20", "25"),
    "price": ("12", "18", "24", "29"),
    "price_up": ("31", "34", "39", "45"),
    "count": ("6", "8", "10", "12", "16"),
    "count_up": ("17", "20", "24", "30"),
    "months": ("three", "six", "nine"),
    "days": ("7", "14", "21", "90", "180"),
    "weakness": ("a token leak", "a path traversal", "a request forgery", "a broken access check"),
    "component": ("export service", "admin API", "webhook relay", "audit log viewer"),
    "release": ("4.18.2", "7.3.0", "2026.11", "12.0.4"),
    "company": ("Brightwater Analytics", "Oakline Support", "Nimbus Speech", "Ferry Data Services", "Larch Hosting"),
    "country": ("Ireland", "Singapore", "Canada", "Brazil", "Poland", "Japan"),
    "purpose": ("product analytics", "customer support", "speech recognition", "backup storage"),
    "uptime": ("99.9", "99.5", "99.0"),
}

PLANS: Final = (
    Plan("starter", "billing", 25, 3, 30, 40, ("email",)),
    Plan("team", "trial", 100, 10, 365, 30, ("email", "slack", "webhooks")),
    Plan("team", "billing", 100, 10, 365, 30, ("email", "slack", "webhooks")),
    Plan("team", "admin", 150, 25, 365, 30, ("email", "slack", "webhooks", "sso")),
    Plan("business", "billing", 500, None, None, 20, ("email", "slack", "webhooks", "sso", "audit-log", "api")),
)

PEOPLE: Final = ("maya.lindqvist", "tomas.okafor", "priya.raman", "jonas.weber", "elif.demir", "sam.carter")
FETCH_FAULTS: Final = (
    ("http_503", "The vendor's site answered 503 Service Unavailable."),
    ("timeout", "No answer within 20 seconds."),
    ("connection_reset", "The connection was reset while reading."),
)
EXTRACT_FAULTS: Final = (
    ("unreadable_pdf", "A PDF has no text layer; it goes through character recognition."),
    ("encoding", "A page does not say its encoding; it is guessed."),
)
DELIVERY_FAULTS: Final = (
    ("rate_limited", "The channel asks for a pause."),
    ("timeout", "No answer within 10 seconds."),
    ("http_502", "The receiver answered 502 Bad Gateway."),
)
RESOLUTIONS: Final = (
    "Legal has no objection.",
    "Accepted; the contract was renegotiated at a fixed price.",
    "The vendor confirmed an exception in writing.",
    "Keys rotated, nothing else to do.",
    "Noted in the register of processing activities.",
)
DISMISSALS: Final = ("Wording only.", "Known already; the notice came by email.", "Concerns a product that is not in use.")
