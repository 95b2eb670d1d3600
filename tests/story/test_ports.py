"""Ports of a network on one machine."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from node.cli.network import files
from node.errors import ConfigError, UnavailableError


def test_free_ports_are_neighbours_outside_the_kernels_own_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No outgoing connection can take the port of a bank that is down for a moment."""
    monkeypatch.delenv(files.PORTS_ENV, raising=False)
    stated = tmp_path / "range"
    monkeypatch.setattr(files, "EPHEMERAL_PORTS", stated)
    for text, end in (("32768\t60999\n", 32_768), ("1024\t65535\n", files.PORT_MAX), ("", 32_768)):
        stated.write_text(text)
        ports = files.free_ports(20)
        assert ports == list(range(ports[0], ports[0] + 20))
        assert files.PORT_MIN <= ports[0] <= ports[-1] < end


def test_a_taken_port_is_not_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is free the error says so."""
    monkeypatch.delenv(files.PORTS_ENV, raising=False)
    with socket.socket() as listener:
        listener.bind((files.HOST, 0))
        listener.listen()
        taken = listener.getsockname()[1]
        monkeypatch.setattr(files, "PORT_MIN", taken)
        monkeypatch.setattr(files, "_port_end", lambda: taken + 2)
        with pytest.raises(UnavailableError):
            files.free_ports(1)


def test_a_stated_range_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """PRAYA_PORTS bounds the choice; anything but LOW-HIGH is refused by name."""
    monkeypatch.setenv(files.PORTS_ENV, "21000-21100")
    ports = files.free_ports(20)
    assert 21_000 <= ports[0] <= ports[-1] < 21_100
    for wrong in ("21000", "5-9000", "30000-20000", "a-b", "60000-70000"):
        monkeypatch.setenv(files.PORTS_ENV, wrong)
        with pytest.raises(ConfigError, match="PRAYA_PORTS"):
            files.free_ports(1)
