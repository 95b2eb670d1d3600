"""Genesis making: what stands at height 0, and that every implementation reads the same from it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from eth.chains.base import MiningChain
from eth.db.atomic import AtomicDB
from eth.vm.forks.cancun import CancunVM

from consensus.validators import validator_set_hash
from contracts.addresses import BANKING_CALENDAR, GENESIS_SENDER, SYSTEM_CONTRACTS
from contracts.banking_calendar import Hours, YearCalendar
from node.chain.genesis import BEACON_ROOTS_ADDRESS, Genesis, genesis_header
from node.errors import ConfigError
from node.execution.genesis_alloc import (
    DEVELOPER_BALANCE,
    AllocReader,
    ConsortiumSpec,
    build_alloc,
    genesis_hash,
    make_genesis,
)
from node.permissioning import consortium_parameters, may_deploy, members, validators_at
from node.types import Address
from tests.contracts.consortium_chain import sample_spec
