"""URIs of storage: local paths and other schemes, told apart, joined, kept clean of secrets."""

from pathlib import Path
from urllib.parse import parse_qsl

from fer_ray.names import check_no_credentials, local_path
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
        return
    try:
        check_no_credentials(uri, setting)
    except ValueError as error:
        raise StorageError(str(error)) from None
    unknown = {name for name, _ in parse_qsl(uri.partition("?")[2], keep_blank_values=True)}
    unknown -= _OPTIONS
    if unknown:
        raise StorageError(
            f"{setting} must have no options but {', '.join(sorted(_OPTIONS))},"
            f" got {', '.join(sorted(unknown))}"
        )
