"""The officers' desk itself, whatever the acts: floor 4, beneath trade and governance, which are siblings.

``acts`` (names, parameters, checks), ``drafts`` and ``approvals`` (maker and checker), ``sender`` (signs, follows to
final), ``users``, ``database``; ``chain_access`` and ``ledger_chain`` (the chain as acts see it), ``parties``.
"""
