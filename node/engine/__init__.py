"""The host of consensus.Replica: carries out its effects with a disk, a network, timers and the EVM."""
