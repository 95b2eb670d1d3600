"""Floor 3: transactions that wait for a block: admission, order, eviction with a reason."""

from node.txpool.limits import PoolLimits
from node.txpool.pool import PoolContents, TransactionPool

__all__ = ["PoolContents", "PoolLimits", "TransactionPool"]
