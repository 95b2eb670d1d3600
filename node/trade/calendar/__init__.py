"""Banking days of places, computed off the chain as the calendar contract takes them."""

from node.trade.calendar.places import PLACES, Place, find_place
from node.trade.calendar.years import compute_year, compute_years

__all__ = ["PLACES", "Place", "compute_year", "compute_years", "find_place"]
