"""How a bank takes part in its consortium's votes: acts beside trade's at the same desk, and what is read of them.

``record`` (a new member as a file), ``council`` (the workplace: register and votes, by calls on the head's state),
``acts`` (what officers draft), ``service`` (what the doors read). Nothing is stored here: the chain holds all of it.
"""
