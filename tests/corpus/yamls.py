"""Broken YAML: bombs, circles, tags, and what is no section of settings or no setting's value."""

import random

from tests.corpus.outcomes import Cases

WHOLE = "data: {uri: 'demo:'}\ntraining: {epochs: 3}\n"


def epochs(value: str) -> bytes:
    """Settings that are right but for the value of one."""
    return f"data: {{uri: 'demo:'}}\ntraining: {{epochs: {value}}}\n".encode()


def laughs(depth: int = 9) -> str:
    """A list of ``10 ** depth`` words in a few hundred bytes."""
    text = "&a0 [ha,ha,ha,ha,ha,ha,ha,ha,ha,ha]"
    for level in range(1, depth):
        text = f"&a{level} [{text}{f',*a{level - 1}' * 9}]"
    return text


def merges(depth: int = 9) -> str:
    """Mappings, each of which ten times merges the one before."""
    lines = ["a0: &a0 {x: 1}"]
    for level in range(1, depth):
        lines.append(f"a{level}: &a{level} {{<<: [{','.join([f'*a{level - 1}'] * 10)}]}}")
    return "\n".join(lines)


def bombs() -> Cases:
    """Small texts of enormous, endless or very deep values."""
    cases = {
        "laughs": laughs().encode(),
        "laughs in a list": f"- {laughs()}".encode(),
        "laughs in a setting": epochs(laughs()),
        "laughs in a key": f"? {laughs()}\n: 3\n".encode(),
        "merges": merges().encode(),
        "merges in a setting": b"training: {epochs: 3}\n" + merges().encode(),
        "circle of a section": b"data: &a {uri: *a}\n",
        "circle of a list": epochs("&a [*a, *a]"),
        "circle of everything": b"&a {data: *a}\n",
        "circle alone": b"&a [*a]\n",
        "merged with itself": b"data: &a {<<: *a}\n",
        "an alias of nothing": epochs("*nothing"),
        "an alias of a number": b"seed: &a 3\ntraining: {epochs: *a}\n",
        "hexadecimal of 10,000 digits": epochs("0x" + "f" * 10_000),
        "binary of 40,000 digits": epochs("0b" + "1" * 40_000),
        "5,000 digits": epochs("9" * 5_000),
        "4,000 digits": epochs("9" * 4_000),
        "hours of hours": epochs("1" + ":59" * 6_000),
        "hours of hours and a half": epochs("1" + ":59" * 6_000 + ".5"),
        "1e999": epochs("1e999"),
        "long text": epochs("x" * 10**5),
    }
    for depth in (5, 50, 100, 300, 1_000):
        cases[f"{depth} lists"] = epochs("[" * depth + "]" * depth)
        cases[f"{depth} mappings"] = epochs("{a: " * depth + "1" + "}" * depth)
        cases[f"{depth} lists alone"] = ("[" * depth + "]" * depth).encode()
        cases[f"{depth} open lists"] = b"[" * depth
        cases[f"{depth} dashes"] = b"- " * depth + b"a"
    return cases


def tags() -> Cases:
    """Tags that would run code, and those whose constructors fail in ways of their own."""
    code = ["object/apply:os.system [true]", "name:os.system ''", "module:os ''", "tuple [1]"]
    code += ["object:os.PathLike {}", "object/new:os.system [true]", "none ''", "int '3'"]
    texts = [f"!!python/{one}" for one in code]
    texts += ["!!int ''", "!!float ''", "!!bool x", "!!timestamp x", "!!binary '%'", "!!null x"]
    texts += ["!!set {a, b}", "!!omap [a: 1]", "!!pairs [a: 1]", "!!seq x", "!!map []", "!!int x"]
    texts += [
        "!!merge x",
        "!!value x",
        "!foo 3",
        "! 3",
        "!!str 3",
        "!<tag:yaml.org,2002:int> 3",
        "!",
    ]
    cases = {f"setting {text}": epochs(text) for text in texts}
    return cases | {f"everything {text}": text.encode() for text in texts}


def wrong_settings() -> Cases:
    """Keys that are no settings, and values of another type or out of range."""
    values = ["0", "-1", "1.5", "true", "yes", "''", "'x'", "three", "[3]", "{a: 3}", "null", "~"]
    values += [".nan", ".inf", "-.inf", "2026-11-25", "3 3", "0x", "1__x", "10000000000", '"\\0"']
    cases = {f"epochs {value}": epochs(value) for value in values}
    lines = [
        "training: 3",
        "training: []",
        "training: x",
        "training: null",
        "trainings: {epochs: 3}",
    ]
    lines += [
        "training: {epoch: 3}",
        "training: {}",
        "3: 3",
        "null: 3",
        "true: 3",
        "'': 3",
        ".nan: 3",
    ]
    lines += [
        "2026-11-25: 3",
        '"a\\nb": 3',
        '"\\ud800": 3',
        "epochs: 3",
        "config: demo",
        "help: true",
    ]
    lines += ["print_config: true", "training.epoch: 3", "__class__: x", "data: {__init__: x}"]
    lines += ["data: {uri: {a: {b: c}}}", "data: {uri: /nowhere/at/all.csv}", "data: {uri: 3}"]
    lines += [
        f"data: {{uri: /{'x' * 5000}}}",
        'data: {uri: "/no\\nwhere"}',
        'data: {uri: "/no\\0"}',
    ]
    lines += ["run: a/b", "run: ../a", 'run: "a\\nb"', "run: 3", "run: [a]", f"run: {'a' * 101}"]
    lines += [
        "split: {fractions: [1]}",
        "split: {fractions: [.nan, .nan, .nan]}",
        "seed: 99999999999",
    ]
    lines += ["model: {pretrained: /nowhere/a.keras}", "model: {width: .inf}", "verbose: maybe"]
    lines += [
        "cluster: {num_workers: [3, 1]}",
        "cluster: {num_workers: []}",
        "storage: {uri: null}",
    ]
    good = "data: {uri: 'demo:'}\n"
    ours = ("data", "help", "config", "print")
    for line in lines:
        cases[line[:60]] = line.encode() if line.startswith(ours) else (good + line).encode()
    cases["training: {}"] = b"training: {}"  # of which no input follows
    return cases


def repeated_keys() -> Cases:
    """Settings that are right but for a key that stands twice."""
    texts = [
        "seed: 1\nseed: 2",
        "training: {epochs: 1}\nverbose: true\ntraining: {batch_size: 8}",
        "training: {epochs: 1, 'epochs': 1}",
        "training: {<<: {epochs: 1}, <<: {batch_size: 8}}",
    ]
    return {text: f"data: {{uri: 'demo:'}}\n{text}".encode() for text in texts}


def no_yaml() -> Cases:
    """Other syntax, encodings and kinds of file."""
    texts = [
        "a: [",
        "a: {",
        "[",
        "{",
        "]",
        ":",
        "- a\n- b",
        "a",
        "3",
        "a: b: c",
        "'",
        '"',
        "a: '",
        "%",
    ]
    texts += [
        "a:\n\t- b",
        "a: b\n  c: d",
        "---\n---\n",
        "a: 1\n---\nb: 2\n",
        "a: |\n b\n c: >",
        "@",
        "`",
    ]
    texts += [
        "? [a]\n: 3",
        "? {a: b}\n: 3",
        "<<: 3",
        "<<: [3]",
        "<<: {a: 1}",
        "=",
        "*",
        "&",
        "#",
        "|",
    ]
    texts += [
        "%YAML 9.9\n---\na: 1",
        "%TAG ! x\n---\n!a b",
        "a: \x07",
        "a: \x1b[31m",
        "a: \x7f",
        "",
    ]
    chance = random.Random(7)
    cases = {f"text {text!r}": text.encode() for text in texts}
    cases |= {name: WHOLE.encode(name) for name in ("utf-16", "utf-16-be", "utf-32", "cp037")}
    cases |= {
        "latin": "data: {uri: é}".encode("latin-1"),
        "zero": b"data: \0",
        "zeros": bytes(1000),
        "zip": b"PK\x03\x04" + bytes(60),
        "pickle": b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
        "surrogates": b"data: {uri: \xed\xa0\x80}",
    }
    for number in range(15):
        cases[f"noise {number}"] = chance.randbytes(chance.randrange(1, 2000))
    return cases


def broken_yamls() -> Cases:
    return bombs() | tags() | wrong_settings() | repeated_keys() | no_yaml()
