"""The seven emotions, in FER2013's order, and the spellings under which people keep them."""

EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")

_SPELLINGS = {
    "angry": 0,
    "disgusted": 1,
    "fearful": 2,
    "afraid": 2,
    "scared": 2,
    "happy": 3,
    "sad": 4,
    "surprised": 5,
    "neutrality": 6,
} | {name: label for label, name in enumerate(EMOTIONS)}


def label_of(name: str) -> int:
    """The label, 0 to 6, of an emotion by name (any case, common spellings) or by FER2013's digit.

    Raises:
        ValueError: ``name`` is none of them.
    """
    cleaned = name.strip().lower()
    if cleaned in _SPELLINGS:
        return _SPELLINGS[cleaned]
    if len(cleaned) == 1 and cleaned in "0123456":
        return int(cleaned)
    raise ValueError(f"an emotion must be one of {', '.join(EMOTIONS)} or 0 to 6, got {name!r}")
