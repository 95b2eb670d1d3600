"""The officers' side of the command line: a session with a running bank's REST door."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.client.rest import RestClient
from node.errors import ConfigError, PermissionDenied

SESSION_ENV = "PRAYA_SESSION"
FILE_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Session:
    """Where somebody is signed in, and as whom."""

    rest_url: str
    token: str
    user: str
    bank: str


def sessions_file() -> Path:
    """``PRAYA_SESSION``, or a file in the user's configuration folder."""
    stated = os.environ.get(SESSION_ENV)
    if stated:
        return Path(stated)
    base = Path(os.environ.get("XDG_CONFIG_HOME", Path.home() / ".config"))
    return base / "praya" / "sessions.json"


def save_session(name: str, session: Session) -> None:
    """Remember a session under a name; it becomes the one that commands use."""
    file = sessions_file()
    document = _read(file)
    document["sessions"][name] = {
        "rest_url": session.rest_url,
        "token": session.token,
        "user": session.user,
        "bank": session.bank,
    }
    document["current"] = name
    _write(file, document)


def forget_session(name: str) -> None:
    """Drop a remembered session."""
    file = sessions_file()
    document = _read(file)
    document["sessions"].pop(name, None)
    if document["current"] == name:
        document["current"] = next(iter(document["sessions"]), None)
    _write(file, document)


def load_session(name: str | None) -> tuple[str, Session]:
    """The named session, or the current one. PermissionDenied says how to sign in."""
    document = _read(sessions_file())
    chosen = document["current"] if name is None else _resolve(document, name)
    entry = document["sessions"].get(chosen)
    if chosen is None or entry is None:
        who = f" as {name!r}" if name else ""
        raise PermissionDenied(f"nobody is signed in{who}: run praya login", field="login")
    return chosen, Session(**entry)


def sibling(user: str) -> str | None:
    """The sign-in of ``user`` at the current session's bank; None where there is none."""
    document = _read(sessions_file())
    current = document["sessions"].get(document["current"])
    if current is None:
        return None
    for name, entry in document["sessions"].items():
        if entry["user"] == user and entry["rest_url"] == current["rest_url"]:
            return str(name)
    return None


def _resolve(document: dict[str, Any], name: str) -> str:
    """``maker`` means maker@ the current bank, or the only maker there is."""
    if name in document["sessions"]:
        return name
    beside = sibling(name)
    if beside is not None:
        return beside
    matching = [known for known in document["sessions"] if known.startswith(name + "@")]
    return matching[0] if len(matching) == 1 else name


def open_desk(name: str | None) -> RestClient:
    """A client of the bank where the session is."""
    _, session = load_session(name)
    return RestClient(session.rest_url, session.token)


def _read(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text())
        if isinstance(document["sessions"], dict):
            return {"current": document.get("current"), "sessions": document["sessions"]}
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file} is no session file: remove it and sign in again", field="session") from error
    return {"current": None, "sessions": {}}


def _write(file: Path, document: dict[str, Any]) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = file.with_name(file.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with os.fdopen(descriptor, "w") as output:
        json.dump(document, output, indent=1)
    temporary.replace(file)
