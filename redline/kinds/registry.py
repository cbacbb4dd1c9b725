"""Which kinds are installed: checked once, frozen from then on.

The law of this module: a kind in the registry keeps its contract as far as that can be known before the first event, and a service whose
plugins do not starts not at all. What a kind says about itself is read here, once; a plugin that changes its mind later changes nothing.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from redline.discovery import ENVIRONMENT, DiscoveryError, installed, owner, reason, survey
from redline.interrupts import Interrupted, interruptible
from redline.kinds.clean import clean_json
from redline.kinds.contract import PayloadError, Policy, check_name
from redline.kinds.dialect import as_json, misfit, schema_fault
from redline.kinds.model import ModelKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from redline.discovery import EntryPointSource, Fault, Found
    from redline.kinds.contract import EventKind

GROUP = "redline.kinds"
"""The entry points that lead to kinds."""
MOST_BYTES = 1_048_576
"""The most that a kind may allow its payloads: a publish body's default bound."""
MOST_SCHEMA_BYTES = 262_144
"""The most that a kind's schema may take as JSON: the catalogue serves all of them at once."""

_SCOPE = re.compile(r"[!#-\[\]-~]{1,128}", re.ASCII)
_MOST_JUDGED = 64


@dataclass(frozen=True, slots=True)
class RegisteredKind:
    """One kind as it was when the service started, and who brought it.

    ``schema_json`` is its schema as compact JSON. ``clean`` says that what its validator returns needs no check: it is the JSON writer's.
    ``origin`` is :data:`~redline.discovery.ENVIRONMENT` or the folder it was found in.
    """

    kind: EventKind
    name: str
    policy: Policy
    schema_json: bytes
    distribution: str
    distribution_version: str
    entry_point: str
    origin: str = ENVIRONMENT
    clean: bool = False

    @property
    def owner(self) -> str:
        """The distribution and the entry point, as messages name them."""
        return owner(self.distribution, self.distribution_version, self.entry_point)


class KindRegistry:
    """The installed kinds by name. There is no way to add one."""

    __slots__ = ("_kinds",)

    def __init__(self, kinds: Iterable[RegisteredKind] = ()) -> None:
        """Take kinds that were checked (:func:`load_kinds`); of two with one name the last counts."""
        self._kinds = {kind.name: kind for kind in sorted(kinds, key=lambda kind: kind.name)}

    def get(self, name: str) -> RegisteredKind | None:
        """Return the kind of that name, or None."""
        return self._kinds.get(name)

    def names(self) -> tuple[str, ...]:
        """Return the names of all kinds, sorted."""
        return tuple(self._kinds)

    def __contains__(self, name: object) -> bool:
        """Tell whether there is a kind of that name."""
        return name in self._kinds

    def __iter__(self) -> Iterator[RegisteredKind]:
        """Go through the kinds themselves, sorted by name."""
        return iter(self._kinds.values())

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._kinds)


def load_kinds(source: EntryPointSource = installed) -> KindRegistry:
    """Return the kinds that the entry points of :data:`GROUP` lead to; raises :class:`DiscoveryError` with every fault of every one."""
    registry, faults = survey_kinds(source)
    if faults:
        raise DiscoveryError(faults) from faults[0].error
    return registry


def survey_kinds(source: EntryPointSource = installed) -> tuple[KindRegistry, list[Fault]]:
    """Return the usable kinds, and what is wrong with the others, for ``redline check``; raises nothing but ``Interrupted``."""
    found, faults = survey(GROUP, source)
    kinds: dict[str, RegisteredKind] = {}
    for one in found:
        kind, wrong = examine(one)
        faults.extend(wrong)
        if kind is not None and (first := kinds.setdefault(kind.name, kind)) is not kind:
            other = owner(first.distribution, first.distribution_version, first.entry_point, first.origin)
            faults.append(one.fault(f"the kind {kind.name!r} is already brought by {other}; uninstall one of them, or rename its kind"))
    return KindRegistry(kinds.values()), faults


def examine(found: Found) -> tuple[RegisteredKind | None, tuple[Fault, ...]]:
    """Return one plugin's kind as it would be registered, or what keeps it from that.

    It is what the start asks of each; it raises nothing but ``Interrupted``.
    """
    check = _Check(found)
    with interruptible():
        kind = check.run()
    return kind, tuple(check.faults)


@functools.lru_cache(maxsize=_MOST_JUDGED)
def _judged(schema: bytes) -> str | None:
    """Say what is wrong with a schema; once for each text, for a process that starts services by the hundred, as tests do, has few."""
    return schema_fault(json.loads(schema))


class _Check:
    """One plugin under examination: collects what is wrong, and makes the registered kind if nothing is."""

    def __init__(self, found: Found) -> None:
        self._found = found
        self._schema_json = b""
        self.faults: list[Fault] = []

    def fault(self, message: str, error: BaseException | None = None) -> None:
        self.faults.append(self._found.fault(message, error))

    def run(self) -> RegisteredKind | None:
        found = self._found
        if isinstance(found.obj, type):
            self.fault(f"{found.value} is the class {found.obj.__name__}; let the entry point lead to an instance of it")
            return None
        name = self._read("name")
        policy = self._read("policy")
        schema = self._read("schema")
        validate = self._read("validate")
        if self.faults:
            return None
        self._name(name)
        self._schema_json = self._schema(schema)
        if not callable(validate):
            self.fault("its validate is not callable")
        if not isinstance(policy, Policy):
            self.fault(f"its policy is {type(policy).__name__}, and must be a redline.Policy")
        elif self._policy(policy) and callable(validate) and policy.example is not None:
            self._example(validate, policy)
        if self.faults or not isinstance(name, str) or not isinstance(policy, Policy):
            return None
        kind = cast("EventKind", found.obj)  # each of its attributes was read and judged above
        # Of this very class: a subclass may return what it likes.
        clean = type(kind) is ModelKind and kind.clean
        owned = found.distribution, found.version, found.entry_point, found.origin
        return RegisteredKind(kind, name, policy, self._schema_json, *owned, clean)

    def _read(self, attribute: str) -> object:
        try:
            return getattr(self._found.obj, attribute)
        except AttributeError as error:
            self.fault(
                f"{self._found.value} is no event kind: reading its {attribute} failed ({reason(error)}); "
                "a kind has a name, a policy, a schema and a validate",
                error,
            )
        except Interrupted:
            raise
        except BaseException as error:  # noqa: BLE001 - a plugin's property may do anything, also exit
            self.fault(f"reading its {attribute} failed: {reason(error)}", error)
        return None

    def _name(self, name: object) -> None:
        try:
            checked = check_name(name)
        except ValueError as error:
            self.fault(str(error), error)
            return
        if checked != self._found.entry_point:
            self.fault(
                f"the entry point is named {self._found.entry_point!r} and its kind {checked!r}; name the entry point after the kind"
            )

    def _schema(self, schema: object) -> bytes:
        if not isinstance(schema, Mapping):
            self.fault(f"its schema is {type(schema).__name__}, and must be a mapping")
            return b""
        try:
            encoded = as_json(schema)
        except Interrupted:
            raise
        except BaseException as error:  # noqa: BLE001 - a plugin's mapping may do anything, also exit
            self.fault(f"its schema cannot be written as JSON: {reason(error)}", error)
            return b""
        if len(encoded) > MOST_SCHEMA_BYTES:
            self.fault(f"its schema takes {len(encoded):,} bytes as JSON, and {MOST_SCHEMA_BYTES:,} are the most")
        elif said := _judged(encoded):
            self.fault(said)
        else:
            return encoded
        return b""

    def _policy(self, policy: Policy) -> bool:
        """Tell whether the example can be judged by it: a bad word for people does not stand in the way of that."""
        for field in ("title", "description", "version"):
            if not isinstance(getattr(policy, field), str):
                self.fault(f"its policy's {field} is {type(getattr(policy, field)).__name__}, and must be a string")
        scope: object = policy.scope  # a plugin need not be type-checked
        if scope is not None and not (isinstance(scope, str) and _SCOPE.fullmatch(scope)):
            self.fault("its policy's scope must be one word of 1 to 128 visible ASCII characters without quote or backslash, or None")
        if policy.example is not None and not isinstance(policy.example, Mapping):
            self.fault(f"its policy's example is {type(policy.example).__name__}, and must be a mapping or None")
            return False
        if type(policy.max_bytes) is not int or not 1 <= policy.max_bytes <= MOST_BYTES:
            self.fault(f"its policy's max_bytes is {policy.max_bytes!r:.40}, and must be a whole number from 1 to {MOST_BYTES:,}")
            return False
        return True

    def _example(self, validate: Callable[..., object], policy: Policy) -> None:
        try:
            # Through JSON and back: the validator sees what it would see of a publisher.
            payload = json.loads(as_json(policy.example))
        except Interrupted:
            raise
        except BaseException as error:  # noqa: BLE001 - a plugin's mapping may do anything, also exit
            self.fault(f"its policy's example cannot be written as JSON: {reason(error)}", error)
            return
        if self._schema_json and (said := misfit(payload, json.loads(self._schema_json))):
            self.fault(f"its policy's example does not fit its own schema: {said}")
        try:
            clean_json(validate(payload), policy.max_bytes)
        except PayloadError as error:
            self.fault(f"its own validator refuses its policy's example: {reason(error)}", error)
        except Interrupted:
            raise
        except BaseException as error:  # noqa: BLE001 - a plugin's validator may do anything, also exit
            self.fault(f"its validator fails on its policy's example: {reason(error)}", error)
