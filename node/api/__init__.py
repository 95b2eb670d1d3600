"""Floor 6: the REST door of a bank's trade desk, with its OpenAPI document."""

from node.api.routes import add_api

__all__ = ["add_api"]
