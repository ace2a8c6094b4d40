"""How users name things in settings: paths and URIs, and runs.

A path is made absolute where it was typed, as jobs run in other folders and on other machines.
"""

import os
import re
from typing import Annotated

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
