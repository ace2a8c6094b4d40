"""URIs of storage: local paths and other schemes, told apart, joined, kept clean of secrets."""

from pathlib import Path
from typing import NoReturn
from urllib.parse import parse_qsl, unquote

from fer_ray.names import local_path
from fer_ray.runs.faults import StorageError

_OPTIONS = {"endpoint_override", "region", "scheme"}  # of a URI; none of them is a secret


def is_local(uri: str) -> bool:
    """Whether ``uri`` is a path on this machine, which other machines may not share."""
    return local_path(uri) is not None


def is_relative(uri: str) -> bool:
    """Whether ``uri`` is a path that means something else in another current folder."""
    path = local_path(uri)
    return path is not None and not Path(path).expanduser().is_absolute()


def join(uri: str, *parts: str) -> str:
    """``uri`` with ``parts`` added to its path; a query stays at the end."""
    path, mark, query = (uri, "", "") if is_local(uri) else uri.partition("?")
    return "/".join([path.rstrip("/"), *parts]) + mark + query


def refuse_credentials(uri: str, setting: str) -> None:
    """Refuse credentials in a URI, which would end up in saved settings, logs and outcomes.

    Raises:
        StorageError: there are some, or an option that may be one.
    """
    if is_local(uri):
        return  # a path, whatever signs are in it
    address, _, query = uri.partition("?")  # by hand: urlsplit hides what follows a "#"
    scheme, _, rest = address.partition("://")
    authority = unquote(rest.partition("/")[0])
    if scheme == "gs":
        authority = authority.removeprefix("anonymous@")
    options = dict(parse_qsl(query, keep_blank_values=True))
    if ":" in authority or "@" in authority:
        _refuse(setting, f"after {scheme}://")  # a secret may hold "/" and "@": none of it is told
    if any("@" in text for option in options.items() for text in option):
        _refuse(setting, "among its options")
    unknown = set(options) - _OPTIONS
    if unknown:
        raise StorageError(
            f"{setting} must have no options but {', '.join(sorted(_OPTIONS))},"
            f" got {', '.join(sorted(unknown))}"
        )


def _refuse(setting: str, where: str) -> NoReturn:
    raise StorageError(
        f"{setting} must hold no credentials (they belong in the environment), got some {where}"
    )
