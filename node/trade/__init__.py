"""What trade-finance officers do, below the doors.

Messages: ``swift`` (MT codec), ``ubl`` (invoices and tags), ``credit_terms``, ``overrides``, ``rules``, ``refusal``.
Acts: ``act_list`` (names and parameters); ``credit_issue``, ``credit_acts``, ``invoices``, ``documents`` (planners:
an officer's input becomes contract calls). Drafts, approvals and sending are ``node.desk``'s.
Reading: ``projection`` and ``snapshots`` (the read model), ``vault`` (sealed texts), ``views``.
``service`` stands before all of it: the doors use nothing else.
"""
