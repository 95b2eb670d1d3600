"""Floor 6: the Ethereum JSON-RPC door, over HTTP and WebSocket on one port."""

from node.rpc.context import NodeStatus, RpcContext, SyncProgress
from node.rpc.server import RpcServer

__all__ = ["NodeStatus", "RpcContext", "RpcServer", "SyncProgress"]
