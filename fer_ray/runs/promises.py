"""What a checkpoint's manifest promises, read from bytes that may be a stranger's.

It names files of its own folder and no others, and nothing in it is turned into something else: a
number in quotes is no number.
"""

import json
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

PLAIN_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}"
_SHOWN_CHARACTERS = 100


def _finite(about: dict[str, JsonValue]) -> dict[str, JsonValue]:
    json.dumps(about, allow_nan=False)
    return about


class FilePromise(BaseModel):
    """What a manifest says of one file."""

    model_config = ConfigDict(strict=True)

    size: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Manifest(BaseModel):
    """What makes a folder a checkpoint: ``manifest.json``."""

    model_config = ConfigDict(strict=True)

    schema_version: Literal[1]
    step: int
    files: dict[Annotated[str, Field(pattern=f"^{PLAIN_NAME}$")], FilePromise]
    about: Annotated[dict[str, JsonValue], AfterValidator(_finite)]


def parsed(content: bytes) -> Manifest:
    """The manifest that ``content`` is.

    Raises:
        ValueError: it is none; the text is one line that begins with what is wrong.
    """
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        raise ValueError(first_fault(error)) from error


def first_fault(error: ValidationError) -> str:
    """What is wrong where, on one line: ``files.a.npz.size: Field required``."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = " ".join(".".join(map(str, first["loc"])).split())[:_SHOWN_CHARACTERS]
    return f"{place or 'it'}: {first['msg']}"
