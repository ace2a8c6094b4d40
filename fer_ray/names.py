"""How users name things in settings: paths and URIs, and runs.

A path is made absolute where it was typed, as jobs run in other folders and on other machines.
"""

import os
import re
from typing import Annotated
from urllib.parse import parse_qsl, unquote

from pydantic import AfterValidator

RUN_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"


def local_path(uri: str) -> str | None:
    """The path that ``uri`` names on this machine; none for object storage and drawn faces."""
    scheme, colon, rest = uri.partition(":")
    if not colon or "/" in scheme:
        return uri
    return rest.removeprefix("//") if scheme == "file" else None


def absolute(uri: str) -> str:
    """``uri`` as any process reads it: a path from the root, or another scheme's URI as it is."""
    path = local_path(uri)
    return uri if path is None else os.path.abspath(os.path.expanduser(path))


def check_no_credentials(uri: str, setting: str) -> None:
    """Return if ``uri`` holds nothing that may be a secret.

    No bucket's name has a colon or an at sign, and a secret may hold all but the first: none of
    what follows one of them is told.

    Raises:
        ValueError: it may hold one.
    """
    if local_path(uri) is not None:
        return  # a path, whatever signs are in it
    address, _, query = uri.partition("?")  # by hand: urlsplit hides what follows a "#"
    scheme, _, rest = address.partition("://")
    authority = unquote(rest.partition("/")[0])
    if scheme == "gs":
        authority = authority.removeprefix("anonymous@")
    options = parse_qsl(query, keep_blank_values=True)
    where = None
    if ":" in authority or "@" in authority:
        where = f"after {scheme}://"
    elif any("@" in text for option in options for text in option):
        where = "among its options"
    if where:
        raise ValueError(
            f"{setting} must hold no credentials (they belong in the environment), got some {where}"
        )


def _as_run_name(name: str | None) -> str | None:
    """``name``, if it can be a folder's name in any storage."""
    if name is not None and not re.fullmatch(RUN_NAME, name):
        raise ValueError(
            "must be up to 100 letters, digits, dots, dashes or underscores, and begin with one"
            " of the first two"
        )
    if name == "datasets":
        raise ValueError("must not be 'datasets', where prepared datasets are kept")
    if name == "champion":
        raise ValueError("must not be 'champion', where is kept which model is served")
    return name


Uri = Annotated[str, AfterValidator(absolute)]
RunName = Annotated[str | None, AfterValidator(_as_run_name)]
