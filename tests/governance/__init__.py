"""Tests of the members' votes above the contract."""
