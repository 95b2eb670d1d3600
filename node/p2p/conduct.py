"""How a peer behaves: bad frames are counted over time, traffic beyond a fair share is slowed."""

from __future__ import annotations

BAD_FRAMES_MAX = 8
"""Bad frames within BAD_FRAMES_WINDOW_US after which a peer is cut off."""
BAD_FRAMES_WINDOW_US = 60_000_000
PAUSE_US = 30_000_000
"""How long a peer that was cut off is neither dialled nor let in."""

FRAMES_PER_S = 5_000
FRAMES_BURST = 20_000
BYTES_PER_S = 64 * 1024 * 1024
BYTES_BURST = 128 * 1024 * 1024


class Conduct:
    """The record of one address, kept across its connections; times are monotonic microseconds."""

    def __init__(self) -> None:
        self._bad_at: list[int] = []
        self._paused_until_us = 0
        self._allowance_us = 0
        self._frames = float(FRAMES_BURST)
        self._bytes = float(BYTES_BURST)
        self.bad_frames = 0
        """All bad frames so far."""

    def bad_frame(self, now_us: int) -> bool:
        """Record one; True where the budget is spent and the peer is to be cut off (the pause has begun)."""
        self.bad_frames += 1
        self._bad_at = [at for at in self._bad_at if now_us - at < BAD_FRAMES_WINDOW_US]
        self._bad_at.append(now_us)
        if len(self._bad_at) < BAD_FRAMES_MAX:
            return False
        self._bad_at.clear()
        self._paused_until_us = now_us + PAUSE_US
        return True

    def pause_left_us(self, now_us: int) -> int:
        """Microseconds until this address may connect again; 0 where it may."""
        return max(0, self._paused_until_us - now_us)

    def delay_for(self, size: int, now_us: int) -> float:
        """Account for one frame of ``size`` bytes; seconds to wait before reading the next (0 within the share)."""
        passed_s = max(0, now_us - self._allowance_us) / 1_000_000
        self._allowance_us = now_us
        self._frames = min(FRAMES_BURST, self._frames + passed_s * FRAMES_PER_S) - 1
        self._bytes = min(BYTES_BURST, self._bytes + passed_s * BYTES_PER_S) - size
        return max(-self._frames / FRAMES_PER_S, -self._bytes / BYTES_PER_S, 0.0)
