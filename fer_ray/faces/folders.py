"""What the folders above a file say of it: its emotion and its part of FER2013.

Names decide, never their order: Kaggle's folders lie in alphabetical order, which is not FER2013's.
Paths here are relative to ``data.uri`` and use ``/``.
"""

from collections.abc import Sequence

from fer_ray.faces.emotions import EMOTIONS, label_of

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")

_LITTER = ("Thumbs.db", "desktop.ini")  # what file browsers leave behind, beside dot-files
_TEST = "test"  # which of the two test sides, the other folders tell
_SIDES = {
    "train": "Training",
    "training": "Training",
    "val": "PublicTest",
    "valid": "PublicTest",
    "validation": "PublicTest",
    "publictest": "PublicTest",
    "test": _TEST,
    "testing": _TEST,
    "privatetest": "PrivateTest",
}


def is_litter(path: str) -> bool:
    """Whether a file browser or tool left this file: a dot-file, in a dot-folder, thumbnails."""
    return any(part.startswith(".") or part in _LITTER for part in path.split("/"))


def is_image(path: str) -> bool:
    """Whether a file's name says that it is an image."""
    return path.lower().endswith(IMAGE_SUFFIXES)


def usages(paths: Sequence[str]) -> list[str]:
    """FER2013's usage of each file, from the nearest folder named for a side; "" without one.

    ``train`` is Training. ``test`` is PublicTest, as in Kaggle's folders, whose file names tell
    the final exam's faces apart (``test/angry/PrivateTest_88.jpg``) and are believed; where there
    is a validation folder too, that is PublicTest and ``test`` is PrivateTest.
    """
    sides = [_side(path) for path in paths]
    three = "PublicTest" in sides
    return [
        side if side != _TEST else "PrivateTest" if three or _is_final(path) else "PublicTest"
        for path, side in zip(paths, sides, strict=True)
    ]


def labels(paths: Sequence[str]) -> list[int | None]:
    """The label of each file from the folder it lies in; ``None`` for one outside class folders.

    Raises:
        ValueError: images lie in a folder that is no emotion's, or no file lies in one that is.
    """
    known: dict[str, int | None] = {}
    for path in paths:
        folder = path.rpartition("/")[0]
        name = folder.rpartition("/")[2]
        if folder not in known:
            known[folder] = _label(name)
        if known[folder] is None and is_image(path) and name and name.lower() not in _SIDES:
            raise ValueError(
                f"data.uri must hold images in folders named for one of {', '.join(EMOTIONS)},"
                f" got {folder!r}"
            )
    if not any(label is not None for label in known.values()):
        raise ValueError(
            "data.uri must hold images in folders named for emotions, got none that is"
        )
    return [known[path.rpartition("/")[0]] for path in paths]


def _label(name: str) -> int | None:
    try:
        return label_of(name)
    except ValueError:
        return None


def _side(path: str) -> str:
    for part in reversed(path.split("/")[:-1]):
        if part.lower() in _SIDES:
            return _SIDES[part.lower()]
    return ""


def _is_final(path: str) -> bool:
    return path.rpartition("/")[2].startswith("PrivateTest_")
