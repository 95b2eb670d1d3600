"""MT messages of category 7, read and written by tables of their fields."""

from node.trade.swift.codec import Deviation, Field, MtMessage, ParsedMt, SwiftError, parse_mt, write_mt

__all__ = ["Deviation", "Field", "MtMessage", "ParsedMt", "SwiftError", "parse_mt", "write_mt"]
