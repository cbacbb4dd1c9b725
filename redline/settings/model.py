"""Every setting: what it is called, what it means, what it takes, and what it is when nobody says.

The law of this module: it is the only list; ``config/redline.toml`` and the faults' lines follow from it or are tested against it.
Durations are numbers of seconds, sizes numbers of bytes, unless the name says otherwise. Nothing here reads a file or the environment.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args, get_origin

from pydantic import BaseModel, Field, PrivateAttr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from redline.logs import LEVELS, redact
from redline.settings.values import Algorithm, EventLog, Host, Jwks, Level, Origin, Real, Secret, Takes, Whole, is_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

_MIB = 1024 * 1024


class _Group(BaseModel):
    """A table of the TOML file."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True, allow_inf_nan=False
    )

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Show the values without credentials: a SecretStr hides itself, a URL may hold one."""
        for name, value in super().__repr_args__():
            yield name, redact(value) if isinstance(value, str) else value


class AuthSettings(_Group):
    """Whose tokens count. ``serve`` wants at least one key: a secret, a PEM file or a JWKS document."""

    secret: Annotated[Secret | None, Takes("a secret of at least 32 bytes")] = Field(
        default=None,
        description="The secret that signs tokens with HS256; at least 32 bytes. Better kept in the environment than in a file.",
    )
    previous_secrets: Annotated[tuple[Secret, ...], Takes("a list of secrets of at least 32 bytes each")] = Field(
        default=(), description="Secrets whose tokens still count, while a new one takes over."
    )
    keys: Annotated[tuple[Path, ...], Takes("a list of paths")] = Field(
        default=(), description="Files with public keys in PEM, several at once for rotation."
    )
    jwks: Annotated[Jwks | None, Takes("the path of a file, or a URL")] = Field(
        default=None,
        description="A file that holds a JWKS document, or the URL of one: https, or http on this machine. No redirect is followed.",
    )
    jwks_seconds: Real = Field(
        default=300.0,
        ge=10,
        le=86_400,
        description="How often the document at a URL is fetched; besides, every 10 s at most, when a token names a key that is not known.",
    )
    algorithms: Annotated[tuple[Algorithm, ...], Takes(f"a list of at least one of {', '.join(get_args(Algorithm))}")] = Field(
        default=("HS256", "RS256", "ES256", "EdDSA"),
        min_length=1,
        description="The algorithms that tokens may be signed with; each counts for the keys of its own type only.",
    )
    issuer: str | None = Field(default=None, description="What a token's iss must be, where this is set.")
    audience: str | None = Field(default=None, description="What a token's aud must hold, where this is set.")
    org_claim: Annotated[str, Takes("a claim's name of at most 128 characters")] = Field(
        default="org", max_length=128, description="The claim that names a token's org."
    )
    leeway_seconds: Real = Field(
        default=0.0, ge=0, le=300, description="How long before its nbf a token may be used, as clocks differ; its exp is never stretched."
    )
    cache: Whole = Field(
        default=4096, ge=0, le=1_000_000, description="How many verified tokens are remembered, so that a reconnect costs no signature."
    )

    @property
    def jwks_url(self) -> str | None:
        """The URL of the JWKS document, where ``jwks`` is one."""
        return self.jwks if self.jwks is not None and is_url(self.jwks) else None


class TicketSettings(_Group):
    """Stream tickets: what a page puts into a stream's URL in place of its token."""

    secret: Annotated[Secret | None, Takes("a secret of at least 32 bytes")] = Field(
        default=None,
        description="The secret that signs tickets, the same on all nodes and another than auth.secret; at least 32 bytes. Without it each "
        "process makes one, and tickets hold for that process alone.",
    )
    previous_secrets: Annotated[tuple[Secret, ...], Takes("a list of secrets of at least 32 bytes each")] = Field(
        default=(), description="Secrets whose tickets still open streams, while a new one takes over."
    )
    seconds: Real = Field(
        default=60.0, ge=1, le=600, description="How long a ticket opens streams; what it has opened lasts until its token ends."
    )


class HistorySettings(_Group):
    """How much is retained for resuming. Whichever bound is reached first evicts the oldest events."""

    events: Whole = Field(default=1000, ge=1, le=1_000_000, description="The most events retained for an org.")
    seconds: Real = Field(
        default=86_400.0, ge=1, le=31_622_400, description="How long an event is retained, and an idle org's position remembered."
    )
    bytes: Whole = Field(default=8 * _MIB, ge=1024, description="The most bytes retained for an org.")
    total_bytes: Whole = Field(default=256 * _MIB, ge=1024, description="The most bytes retained for all orgs together.")
    orgs: Whole = Field(default=100_000, ge=1, le=10_000_000, description="The most orgs that are remembered at once.")

    @field_validator("total_bytes")
    @classmethod
    def _holds_one_org(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("bytes", 0):
            msg = f"it takes at least history.bytes (REDLINE_HISTORY__BYTES), which is {info.data['bytes']}"
            raise ValueError(msg)
        return value


class IdempotencySettings(_Group):
    """For how long a repeated publish is known as such."""

    seconds: Real = Field(default=120.0, ge=1, le=86_400, description="How long an idempotency key is remembered.")
    keys: Whole = Field(
        default=10_000, ge=1, le=10_000_000, description="The most keys of an org within that time; more are refused as rate_limited."
    )


class LimitSettings(_Group):
    """What one caller, and all together, may take up."""

    body_bytes: Whole = Field(default=_MIB, ge=1024, le=64 * _MIB, description="The longest body of a publish.")
    batch_lines: Whole = Field(default=1000, ge=1, le=1_000_000, description="The most events in one publish.")
    header_bytes: Whole = Field(
        default=16_384, ge=8192, le=65_536, description="The longest head of a request; a credential in it may be 7,000 characters long."
    )
    streams: Whole = Field(default=10_000, ge=1, le=10_000_000, description="The most open streams; more are answered with over_capacity.")
    streams_per_org: Whole = Field(default=0, ge=0, le=10_000_000, description="The most open streams of one org; 0 sets no bound.")
    backlog: Whole = Field(default=4096, ge=1, le=65_535, description="How many connections may wait to be accepted.")
    write_buffer_bytes: Whole = Field(
        default=65_536, ge=4096, le=16 * _MIB, description="How much may wait in one stream's write buffer before that stream pauses."
    )
    stall_seconds: Real = Field(default=30.0, ge=1, le=3600, description="How long a paused stream may take nothing before it is aborted.")


class CorsSettings(_Group):
    """Which pages of other origins may call."""

    origins: Annotated[tuple[Origin, ...], Takes("a list of origins")] = Field(
        default=(), description="The origins that may, as scheme://host or scheme://host:port; * for all."
    )
    credentials: bool = Field(default=False, description="Whether those may send cookies and the like; never together with *.")

    @field_validator("credentials")
    @classmethod
    def _never_with_all(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's signature
        if value and "*" in info.data.get("origins", ()):
            msg = "it takes false while cors.origins (REDLINE_CORS__ORIGINS) is *; name the origins to allow credentials"
            raise ValueError(msg)
        return value


class ConsoleSettings(_Group):
    """The page at /."""

    enabled: bool = Field(default=True, description="Whether the console is served.")


class WatchdogSettings(_Group):
    """What happens when a plugin's validator, or anything else, holds the event loop."""

    seconds: Real = Field(
        default=30.0,
        ge=0,
        le=3600,
        description="How long the loop may be held before that is logged with the culprit, and /health/live fails; 0 watches nothing.",
    )
    abort: bool = Field(default=False, description="Whether the process ends then, with 1, for a supervisor to start another.")


class DocsSettings(_Group):
    """The API's description at /docs."""

    enabled: bool = Field(default=True, description="Whether the documentation page and its OpenAPI document are served.")


class Settings(BaseSettings, _Group):
    """All settings. Made by :func:`redline.settings.load_settings`; made directly, it takes its arguments and reads nothing else."""

    host: Host = Field(
        default="127.0.0.1", description="The address to listen on; 0.0.0.0 for all. In front of it belongs a proxy that speaks TLS."
    )
    port: Whole = Field(default=8000, ge=0, le=65_535, description="The port to listen on; 0 picks a free one.")
    log_level: Level = Field(default="INFO", description=f"What is logged: {', '.join(LEVELS)}.")
    eventlog: EventLog = Field(
        default="memory://",
        description="Where events are kept: memory:// is this process, sqlite:///PATH a file (four slashes for a path from the root), "
        "nats://HOST:PORT a stream that several nodes share.",
    )
    plugins_path: Annotated[tuple[Path, ...], Takes("a list of folders")] = Field(
        default=(), description="Folders that pip install --target filled, whose plugins count besides those of the environment."
    )
    heartbeat_seconds: Real = Field(default=15.0, ge=0.05, le=300, description="The time between a stream's heartbeats.")
    retry_milliseconds: Whole = Field(
        default=2000, ge=0, le=3_600_000, description="How long a client waits before it reconnects; each is told 1 to 2 times that."
    )
    max_age_seconds: Real = Field(
        default=0.0, ge=0, le=31_622_400, description="How long a stream may live before it must reconnect; 0 sets no bound."
    )
    shutdown_seconds: Real = Field(default=4.0, ge=0, le=300, description="How long a stop waits for streams to take their last frame.")
    auth: AuthSettings = AuthSettings()
    tickets: TicketSettings = TicketSettings()
    history: HistorySettings = HistorySettings()
    idempotency: IdempotencySettings = IdempotencySettings()
    limits: LimitSettings = LimitSettings()
    cors: CorsSettings = CorsSettings()
    console: ConsoleSettings = ConsoleSettings()
    watchdog: WatchdogSettings = WatchdogSettings()
    docs: DocsSettings = DocsSettings()

    _warnings: tuple[str, ...] = PrivateAttr(default=())

    @property
    def settings_warnings(self) -> tuple[str, ...]:
        """What was odd when they were read, and did not stop the start; one line each, to be logged once."""
        return self._warnings

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: object, **__: object
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read nothing behind the caller's back: ``load`` does that, from what it is given."""
        del settings_cls
        return (init_settings,)


def leaves() -> dict[tuple[str, ...], FieldInfo]:
    """Return every setting by its path, as ``("auth", "secret")``, in the order of this module."""
    found: dict[tuple[str, ...], FieldInfo] = {}
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, _Group):
            found.update({(name, inner): leaf for inner, leaf in field.annotation.model_fields.items()})
        else:
            found[(name,)] = field
    return found


def takes(field: FieldInfo) -> str:
    """Return in words what a setting takes: ``a whole number from 0 to 65535``."""
    kind = field.annotation
    bounds = {name: getattr(row, name) for row in field.metadata for name in ("ge", "le") if hasattr(row, name)}
    for row in field.metadata:
        if isinstance(row, Takes):
            return row.text
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    if kind is bool:
        return "true or false"
    if kind in (int, float):
        what = "a whole number" if kind is int else "a number"
        return f"{what} from {bounds['ge']} to {bounds['le']}" if "le" in bounds else f"{what} of at least {bounds['ge']}"
    return "a string"
