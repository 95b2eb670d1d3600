"""Templates: autoescaped, strict about names, with the console's words and formats as filters."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from node.console import formats, words

STATIC_TYPES: Final = {"console.css": "text/css", "follow.js": "text/javascript", "mark.svg": "image/svg+xml"}


class Renderer:
    """Renders pages and knows the static files, each under a name that changes with its content."""

    def __init__(self, *, place: str, environment: str, bank: str) -> None:
        folder = resources.files("node.console") / "static"
        self.static: dict[str, bytes] = {name: (folder / name).read_bytes() for name in STATIC_TYPES}
        versions = {name: hashlib.sha256(body).hexdigest()[:12] for name, body in self.static.items()}
        # Everything that a counterparty wrote goes through this environment: text only, never markup.
        self._jinja = Environment(
            loader=PackageLoader("node.console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._jinja.filters.update(
            moment=lambda at: formats.moment(int(at), place),
            iso=lambda at: formats.iso(int(at)),
            day=formats.day,
            group=formats.group,
            short=formats.short,
            size=formats.size,
            act_title=words.act_title,
            plain=words.plain,
            label=words.label,
            turn_words=words.turn_words,
            next_actor=words.next_actor,
            event_words=words.event_words,
        )
        self._jinja.globals.update(
            money=formats.money,
            call_words=words.call_words,
            state_words=words.STATES,
            standing_words=words.STANDINGS,
            finding_words=words.FINDINGS,
            disposal_words=words.DISPOSALS,
            tag_names=words.TAG_NAMES,
            static=lambda name: f"/static/{name}?v={versions[name]}",
            environment=environment,
            bank=bank,
            place=place,
        )

    def page(self, template: str, values: Mapping[str, Any]) -> str:
        """One page as HTML."""
        return self._jinja.get_template(template).render(values)
