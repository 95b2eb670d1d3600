"""A bank dies by SIGKILL, and comes back with the same head."""

from __future__ import annotations

from typing import Any

from node.cli.demo.teller import Step, Story
from node.cli.demo.town import RIVAL
from node.cli.network import processes
from node.cli.network.layout import NodeFolder
from node.client.json_rpc import call_once
from node.errors import DataError


def kill(story: Story) -> None:
    """SIGKILL: no farewell, nothing flushed."""
    node = story.town.desks[RIVAL].node
    mark = processes.running(node)
    if mark is None:
        raise DataError(f"{node.name} was not running", field="pid")
    processes.stop([node], kill=True)
    story.say(f"{node.name}, pid {mark.pid}, is gone after block {story.town.height}; three of four go on")


def come_back(story: Story) -> None:
    """Started again, it fetches and verifies what it missed."""
    node = story.town.desks[RIVAL].node
    processes.start(node)
    processes.wait_for_height([node], 0)
    found = processes.block_number(node)
    story.town.desks[RIVAL].await_height(story.town.height)
    story.say(f"{node.name} is back, began at block {found}, has caught up to block {story.town.height}")


def same_head(story: Story) -> None:
    """One height, one hash, one state root on every node."""
    height = story.town.height
    for desk in story.town.desks.values():
        desk.await_height(height)
    blocks = {desk.node.name: _block(desk.node, height) for desk in story.town.desks.values()}
    for name, block in blocks.items():
        story.say(f"{name:<10} block {height}  {block['hash']}")
    if len({(block["hash"], block["stateRoot"]) for block in blocks.values()}) != 1:
        raise DataError(f"the nodes hold different blocks {height}", field="hash")


def _block(node: NodeFolder, height: int) -> dict[str, Any]:
    return dict(call_once(node.rpc_url, "eth_getBlockByNumber", hex(height), False))


KILL = (Step("Huangpu Commercial is killed by SIGKILL", kill),)
RETURN = (
    Step("Huangpu Commercial comes back and catches up", come_back),
    Step("Every bank and the observer hold the same head", same_head),
)
END = (Step("Every bank and the observer hold the same head", same_head),)
