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
        ValueError: images lie in a folder that is no emotion's or within another emotion's, or no
            file lies in one that is.
    """
    for folder in dict.fromkeys(_folder(path) for path in paths if is_image(path)):
        _refuse_doubt(folder)
    known = {folder: _label(_name(folder)) for folder in {_folder(path) for path in paths}}
    if not any(label is not None for label in known.values()):
        raise ValueError(
            "data.uri must hold images in folders named for emotions, got none that is"
        )
    return [known[_folder(path)] for path in paths]


def _refuse_doubt(folder: str) -> None:
    """Refuses a folder of images that names no emotion, or that lies within another emotion's.

    Digits number clips and subjects, too: below a class (``happy/1``) or another digit they leave
    doubt; above a word (``1/happy``) they leave none.
    """
    *above, name = folder.split("/")
    label = _label(name)
    if label is None and name and name.lower() not in _SIDES:
        raise ValueError(
            f"data.uri must hold images in folders named for one of {', '.join(EMOTIONS)},"
            f" got {folder!r}"
        )
    for other in above:
        numbers = other.strip().isdigit() and not name.strip().isdigit()
        if label is not None and not numbers and _label(other) not in (None, label):
            raise ValueError(
                "data.uri must hold images in folders that name one emotion,"
                f" got {folder!r}, which names {other!r} and {name!r}"
            )


def _label(name: str) -> int | None:
    try:
        return label_of(name)
    except ValueError:
        return None


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _name(folder: str) -> str:
    return folder.rpartition("/")[2]


def _side(path: str) -> str:
    for part in reversed(path.split("/")[:-1]):
        if part.lower() in _SIDES:
            return _SIDES[part.lower()]
    return ""


def _is_final(path: str) -> bool:
    return path.rpartition("/")[2].startswith("PrivateTest_")
