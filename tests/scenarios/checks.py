"""What must hold at the end of every scenario, whatever its script: judged from everything that was ever said, by code
that asks the core for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consensus.messages import Commit, NewView, Prepare, PrePrepare, ViewChange

if TYPE_CHECKING:
    from tests.scenarios.stage import Stage


def check_history(stage: Stage) -> None:
    """Agreement, no second word for a place, no broken promise, one final block for each height out of all seals."""
    _agreement(stage)
    _one_word_for_each_place(stage)
    _omniscient_auditor(stage)
    framed = {who for who, _ in stage.convicted} - stage.faulty
    assert not framed, f"evidence convicts honest banks: {sorted(framed)}"


def _agreement(stage: Stage) -> None:
    """I1, I2: one block for each height, none missing, and no honest bank has halted."""
    for height in range(1, max(node.height for node in stage.nodes) + 1):
        honest = [node for node in stage.nodes if node.index not in stage.faulty]
        held = {node.disk.blocks[height].block_hash for node in honest if height in node.disk.blocks}
        assert len(held) <= 1, f"two blocks at height {height}"
    halted = {node.index: node.halted for node in stage.nodes if node.halted and node.index not in stage.faulty}
    assert not halted, f"halted: {halted}"


def _one_word_for_each_place(stage: Stage) -> None:
    """I6, I7: over restarts too, one content for each place and no vote below an earlier promise."""
    said: dict[tuple[object, ...], object] = {}
    promised: dict[tuple[int, int], int] = {}
    for what, sender, message in stage.history:
        if what != "send" or sender in stage.faulty:
            continue
        if isinstance(message, PrePrepare | Prepare | Commit):
            place = (sender, type(message), message.epoch, message.view, message.height)
            assert said.setdefault(place, message.block_hash) == message.block_hash, f"{sender} says two things"
            assert message.view >= promised.get((sender, message.epoch), 0), f"{sender} breaks its promise"
        if isinstance(message, ViewChange | NewView):
            place = (sender, type(message), message.epoch, message.view)
            assert said.setdefault(place, message) == message, f"{sender} says two things"
        if isinstance(message, ViewChange):
            key = (sender, message.epoch)
            promised[key] = max(promised.get(key, 0), message.view)


def _omniscient_auditor(stage: Stage) -> None:
    """I5: out of all seals ever signed, false banks' included, no second block can be proved final."""
    seals: dict[tuple[int, int, int, bytes], set[int]] = {}
    for what, _, message in stage.history:
        if what in ("send", "forge") and isinstance(message, Commit):
            seals.setdefault((message.height, message.epoch, message.view, message.block_hash), set()).add(
                message.sender
            )
    proved: dict[int, set[bytes]] = {}
    for (height, _, _, block_hash), signers in seals.items():
        n = len(stage.sets(height))
        if len(signers) >= -(-2 * n // 3):  # ceil(2n / 3), independent of the core's formula
            proved.setdefault(height, set()).add(block_hash)
    assert all(len(blocks) == 1 for blocks in proved.values()), "two blocks of one height can be proved final"
