"""Pages: one file of HTML with nothing outside it, from a template and what it tells."""

from collections.abc import Mapping
from typing import Any

import jinja2


def rendered(template: str, context: Mapping[str, Any]) -> bytes:
    """The page of a template; in HTML every value is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("fer_ray.runs"),
        autoescape=template.endswith(".html.j2"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(context).encode()
