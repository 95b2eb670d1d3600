"""Floor 0: clients of a node's doors."""

from node.client.json_rpc import JsonRpcClient, RpcFailure, call_once

__all__ = ["JsonRpcClient", "RpcFailure", "call_once"]
