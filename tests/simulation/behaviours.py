"""Every behaviour of a liar, by its name in ``Options.byzantine``."""

from __future__ import annotations

from tests.simulation.byzantine import Behaviour
from tests.simulation.lies import (
    BadServer,
    Censor,
    ClockLiar,
    Equivocate,
    Mutate,
    NewViewLiar,
    ViewChangeLiar,
    VoteForAll,
)
from tests.simulation.timing import Flood, Late, Replay, Selective, Silent, Slow, Stale, Withhold

BEHAVIOURS: dict[str, type[Behaviour]] = {
    "silent": Silent,
    "equivocate": Equivocate,
    "selective": Selective,
    "replay": Replay,
    "stale": Stale,
    "view_change_liar": ViewChangeLiar,
    "new_view_liar": NewViewLiar,
    "vote_for_all": VoteForAll,
    "mutate": Mutate,
    "bad_server": BadServer,
    "censor": Censor,
    "clock_liar": ClockLiar,
    "withhold": Withhold,
    "late": Late,
    "slow": Slow,
    "flood": Flood,
}
