"""Broken csv files: headers that tell no columns, and rows that hold no face."""

import gzip
import random

from tests.corpus.outcomes import Cases

HEADER = b"emotion,pixels,Usage\n"
FACE = " ".join(str(value % 256) for value in range(2304))
WORDS = FACE.split()


def row(label: str = "3", pixels: str = FACE, usage: str = "Training") -> str:
    return f"{label},{pixels},{usage}\n"


def file(*rows: str) -> bytes:
    return HEADER + "".join(rows).encode()


def whole_csvs() -> Cases:
    return {"one row": file(row()), "two rows": file(row(), row("happy", usage="PublicTest"))}


def replaced(place: int, word: str) -> str:
    """The face's text with another word at ``place``."""
    return " ".join([*WORDS[:place], word, *WORDS[place + 1 :]])


def wrong_pixels() -> Cases:
    """Too few, too many, or words that are no grey."""
    counts = (0, 1, 2, 47, 48, 2256, 2302, 2303, 2305, 2306, 2352, 4608, 6912, 40_000)
    cases = {f"{count} pixels": file(row(pixels="7 " * count)) for count in counts}
    words = ["256", "-1", "999", "1e2", "0x1", "7.5", "NaN", "inf", "x", "٣", "７", "+7", "1_0"]
    words += ["00007", "2147483648", "18446744073709551616", "9" * 5000, "\0", "7\0", "\ufffd"]
    words += ["[7", "7]", "7;", "'7'", "\u200b7", "\x1b[31m7", "#REF!", "None", "😀", "\ud7ff"]
    for word in words:
        for place in (0, 1151, 2303):
            cases[f"pixel {place} is {word[:20]!r}"] = file(row(pixels=replaced(place, word)))
    for sign in (";", "|", ":", "\xa0", "\u2003", "_", "", "/"):
        cases[f"separated by {sign!r}"] = file(row(pixels=sign.join(WORDS)))
    for sign in (",", '","', ", "):
        cases[f"fields separated by {sign!r}"] = file(row(pixels=sign.join(WORDS)))
    cases["a list in brackets"] = file(row(pixels=f"[{FACE}]"))
    cases["a path"] = file(row(pixels="../../etc/passwd"))
    cases["an image in base64"] = file(row(pixels="iVBORw0KGgo" + "A" * 3000))
    return cases


def wrong_labels() -> Cases:
    """Labels and usages that are none, and rows of another number of fields."""
    labels = ["", " ", "-1", "7", "10", "99", "0.0", "3.0", "1e0", "3 3", "NaN", "None", "null"]
    labels += [
        "contempt",
        "colère",
        "٣",
        "³",
        "Ⅲ",
        "\0",
        "3\0",
        "happy;sad",
        "happy sad",
        "x" * 10**5,
    ]
    labels += ["=1+1", "true", "0x3", "../3", "%33", "😀"]
    cases = {f"label {label[:20]!r}": file(row(label)) for label in labels}
    usages = [
        "",
        " ",
        "train",
        "Test",
        "Holdout",
        "Training2",
        "0",
        "\0",
        "Training\0",
        "x" * 10**5,
    ]
    cases |= {f"usage {usage[:20]!r}": file(row(usage=usage)) for usage in usages}
    lines = [
        "3\n",
        f"3,{FACE}\n",
        row().strip() + ",\n",
        "," * 100_000 + "\n",
        ",\n",
        ",,\n",
        ",,,\n",
    ]
    lines += [
        f"3\t{FACE}\tTraining\n",
        f"3;{FACE};Training\n",
        "\0" * 5000 + "\n",
        "x\n",
        "\ufeff\n",
    ]
    lines += [f'"3,{FACE},Training\n', f'3,"{FACE},Training\n', f'3,"{FACE}"",Training\n']
    lines += [f'3,"{FACE}x"y,Training\n', '3,"' + "7" * 200_000 + '",Training\n', '"' * 99 + "\n"]
    lines += [f"Training,{FACE},3\n", f"{FACE},3,Training\n", "x" * 10**6 + "\n"]
    return cases | {f"line {line[:20]!r} of {len(line)}": file(line) for line in lines}


def wrong_bytes() -> Cases:
    """Other encodings, other kinds of file, and noise."""
    text = HEADER.decode() + row()
    chance = random.Random(5)
    cases = {name: text.encode(name) for name in ("utf-16", "utf-16-be", "utf-32", "cp037")}
    cases |= {
        "latin label": HEADER + row("colère").encode("latin-1"),
        "cyrillic label": HEADER + row("грусть").encode("cp1251"),
        "gzip": gzip.compress(text.encode(), mtime=0),
        "old line ends": text.replace("\n", "\r").encode(),
        "one line": text.replace("\n", " ").encode(),
        "empty": b"",
        "line ends": b"\n" * 1000,
        "zeros": bytes(5000),
        "header twice": HEADER + HEADER,
        "rows without a header": row().encode() * 3,
        "json": b'[{"emotion": 3, "pixels": [7, 7]}]',
        "html": b"<html><body>404</body></html>\n",
        "no end": b"x" * 10**6,
    }
    for number in range(20):
        cases[f"noise {number}"] = chance.randbytes(chance.randrange(1, 4000))
        noise = chance.randbytes(chance.randrange(1, 4000)).strip() or b"x"
        cases[f"header, then noise {number}"] = HEADER + noise
    return cases


def wrong_headers() -> Cases:
    """First lines that name too few columns, or one of them twice."""
    headers = ["emotion", "pixels", "emotion,Usage", "pixels,Usage", "x,y,z", ",,", " , , "]
    headers += ["emotion,emotion,pixels", "emotion,pixels,pixels", "emotion,pixels,PIXELS"]
    headers += ["emotion,pixels,Usage,usage", "label,label,image", "emotion,pixels, emotion "]
    headers += ["emotions,pixel", "emotion;pixels;Usage", "emotion\tpixels", "emotion pixels"]
    headers += [
        '"emotion,pixels,Usage',
        "emo\0tion,pixels",
        "émotion,pixels",
        "emotion\u200b,pixels",
    ]
    headers += ["x," * 30_000, "x" * 200_000, '"' + "x" * 200_000, "0,1,2", "3.0,7,Training"]
    return {
        f"header {header[:30]!r} of {len(header)}": f"{header}\n{row()}".encode()
        for header in headers
    }


def broken_csvs() -> Cases:
    return wrong_pixels() | wrong_labels() | wrong_bytes() | wrong_headers()
