"""The composition root: the only room that knows everyone."""

from node.app.node import Node
from node.app.process import run_node

__all__ = ["Node", "run_node"]
