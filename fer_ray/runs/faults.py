"""What storage answers when it refuses, in words for the person who set it up.

Never the storage's own text: it names requests, hosts and accounts that help nobody here, and no
secret can be in a sentence that was written beforehand. The original stays as the cause.
"""

import errno
import os
import re


class StorageError(ValueError):
    """The storage cannot be used as it must be; the text is one sentence for the user."""


class BusyError(StorageError):
    """The storage does not answer now, and may later: no fault of a setting."""


class MissingError(StorageError):
    """A key that must be there is not."""


_OF_THE_SYSTEM = {
    errno.ENOSPC: "no space left",
    errno.EDQUOT: "no space left in the quota",
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.EROFS: "it is read-only",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EEXIST: "a part of the path is a file, not a folder",
    errno.EISDIR: "it is a folder, not a file",
    errno.ENOENT: "there is no such folder, and none can be made",
}

# Arrow spells the codes of both as words in capitals; an AWS code ends an "AWS Error" sentence.
_OF_THE_SERVER = {
    "ACCESS_DENIED": "access denied",
    "PERMISSION_DENIED": "access denied",
    "NO_SUCH_BUCKET": "no such bucket",
    "NOT_FOUND": "no such bucket",
    "INVALID_ACCESS_KEY_ID": "wrong credentials (unknown access key)",
    "INVALID_CLIENT_TOKEN_ID": "wrong credentials (unknown access key)",
    "SIGNATURE_DOES_NOT_MATCH": "wrong credentials (the secret key does not fit the access key)",
    "MISSING_AUTHENTICATION_TOKEN": "no credentials",
    "EXPIRED_TOKEN": "the credentials have expired",
    "UNAUTHENTICATED": "no credentials, or wrong ones",
    "NETWORK_CONNECTION": "the server cannot be reached",
    "REQUEST_TIMEOUT": "the server does not answer in time",
    "SLOW_DOWN": "the server asks to slow down",
    "THROTTLING": "the server asks to slow down",
    "SERVICE_UNAVAILABLE": "the server is not available",
    "INTERNAL_FAILURE": "the server has a fault of its own",  # S3's 500, to be tried again
    "UNAVAILABLE": "the server cannot be reached",
}


PASSING = {
    "the server cannot be reached",
    "the server does not answer in time",
    "the server asks to slow down",
    "the server is not available",
    "the server has a fault of its own",
}


def reason(error: BaseException) -> str:
    """Why storage refused, in a few words without secrets, told from what pyarrow raised."""
    number = getattr(error, "errno", None)
    if isinstance(number, int):
        return _OF_THE_SYSTEM.get(number, os.strerror(number).lower())
    text = str(error)
    if code := re.search(r"AWS Error (\w+)|google::cloud::Status\((\w+)", text):
        name = code[1] or code[2]
        return _OF_THE_SERVER.get(name, f"the server answers {name}")
    if re.search(r"Bucket '[^']*' not found", text):
        return "no such bucket"
    if found := re.search(r"Unexpected query parameter in \w+ URI: '(\w+)'", text):
        return f"there is no option {found[1]!r}"
    return f"it is not understood ({type(error).__name__})"
