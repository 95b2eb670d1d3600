"""The table of all methods: what the door answers, and what the documents list."""

from __future__ import annotations

from typing import Any

from node.rpc import chain_methods, filters, node_methods, pbft_methods, state_methods, subscriptions
from node.rpc.context import RpcContext
from node.rpc.method import Method

NAMESPACE_VERSION = "1.0"


def rpc_modules(_context: RpcContext) -> dict[str, str]:
    return {name.partition("_")[0]: NAMESPACE_VERSION for name in METHODS if "_" in name}


def discover(context: RpcContext) -> dict[str, Any]:
    return {
        "openrpc": "1.2.6",
        "info": {"title": "Praya JSON-RPC", "version": context.status.client_version()},
        "methods": [_described(method) for method in METHODS.values()],
    }


def _described(method: Method) -> dict[str, Any]:
    params = [
        {"name": param.name, "description": param.kind, "required": param.is_required, "schema": {}}
        for param in method.params
    ]
    return {
        "name": method.name,
        "summary": method.summary,
        "params": params,
        "result": {"name": "result", "schema": {}},
    }


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        *chain_methods.METHODS,
        *state_methods.METHODS,
        *filters.METHODS,
        *subscriptions.METHODS,
        *node_methods.METHODS,
        *pbft_methods.METHODS,
        Method("rpc_modules", rpc_modules, "Namespaces of this door"),
        Method("rpc.discover", discover, "This table as an OpenRPC document"),
    )
}
