"""Put on the banks' PYTHONPATH by a test: writes each received frame to a file beside the bank's folder, unread."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

if "TAP_FRAMES" in os.environ and Path("node.toml").exists():
    from node.p2p import link, network
    from node.p2p.frames import decode_frame

    _out = (Path.cwd().parent / f"{Path.cwd().name}.tap").open("ab", buffering=0)

    def _tapped(data: Any) -> Any:
        _out.write(bytes(data))
        return decode_frame(data)

    link.decode_frame = network.decode_frame = _tapped
