"""The root of every error that Praya raises on purpose. An error names the field and the limit it breaks."""

from __future__ import annotations

from typing import Any


class PrayaError(Exception):
    """Bad input from a user, a peer or a file. ``exit_code`` is what the command line ends with (sysexits)."""

    exit_code = 1

    def __init__(self, message: str, *, field: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.details = details


class ConfigError(PrayaError):
    """A setting, key file or data directory that the node must not start with."""

    exit_code = 78


class DataError(PrayaError):
    """A file or database whose content is wrong: malformed, of another chain, or corrupt."""

    exit_code = 65


class UnavailableError(PrayaError):
    """A port, peer or service that cannot be reached or used."""

    exit_code = 69


class PermissionDenied(PrayaError):
    """Who asks may not do this."""

    exit_code = 77


class LimitExceeded(PrayaError):
    """A named bound was reached; ``details`` carries limit and value."""


class InvalidTransaction(PrayaError):
    """A transaction that admission refuses; ``reason`` is a stable word for metrics and clients."""

    def __init__(self, reason: str, message: str, **details: Any) -> None:
        super().__init__(message, field=reason, **details)
        self.reason = reason


class InvalidBlock(PrayaError):
    """A block that breaks a rule of the protocol. ``rule`` is its number ("P-2"), with what was expected and found."""

    exit_code = 65

    def __init__(self, rule: str, message: str, *, expected: Any = None, found: Any = None) -> None:
        super().__init__(f"{rule}: {message}", field=rule, expected=expected, found=found)
        self.rule = rule
        self.expected = expected
        self.found = found


class ImpossibleState(Exception):
    """A broken invariant of our own: the node stops rather than forks. Never caught below the composition root."""
