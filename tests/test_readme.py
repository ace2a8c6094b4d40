"""What README.md tells people to type is what the programs accept."""

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fer_ray.settings import recipe_names

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = {"cat", "cd", "curl", "docker", "export", "git", "jq", "kubectl", "ls", "source", "tail"}


FENCES = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def blocks(*languages: str) -> list[str]:
    """The contents of README's fences of those languages."""
    return [block for language, block in FENCES if language in languages]


def commands(block: str) -> Iterator[list[str]]:
    """Each simple command of a shell block, as words: `a && b | c` is three."""
    for line in block.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in lexer:
            if set(word) <= set("|&;"):
                yield words
                words = []
            else:
                words.append(word)
        if words:
            yield words


def without_variables(command: list[str]) -> list[str]:
    """``command`` without the assignments before it."""
    return command[
        next(i for i, word in enumerate([*command, ""]) if not re.match(r"\w+=", word)) :
    ]


COMMANDS = [
    words for block in blocks("sh") for one in commands(block) if (words := without_variables(one))
]
# Behind `ray job submit ... --` stands a command too.
COMMANDS += [
    words[words.index("--") + 1 :] for words in COMMANDS if words[0] == "ray" and "--" in words
]
# Behind `jobs/submit.py ... --` too.
COMMANDS += [
    words[words.index("--") + 1 :]
    for words in COMMANDS
    if words[:2] == ["python", "jobs/submit.py"] and "--" in words
]
JOBS = [words[1:] for words in COMMANDS if words[0] == "python" and words[1].startswith("jobs/")]
RAY = [words[1:] for words in COMMANDS if words[0] == "ray"]


def test_the_two_commands_that_do_everything_stand_first() -> None:
    assert "pip install -e . && python jobs/train.py\n" in blocks("sh")[0]
    assert "pip install -e '.[test]' && pytest\n" in "".join(blocks("sh"))


def test_every_command_is_one_that_people_have() -> None:
    installed = {"pip", "pytest", "python", "ray", "tensorboard", "uv"}
    assert {words[0] for words in COMMANDS} <= installed | PROGRAMS


RUN_AND_TELL = """
import contextlib, io, json, runpy, sys
for line in sys.stdin:
    sys.argv = json.loads(line)
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = runpy.run_path(sys.argv[0], run_name="__main__") and 0
        except SystemExit as end:
            code = end.code
    print(json.dumps([code, said.getvalue()]), flush=True)
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., tuple[int, str]]]:
    """Exit code and words of a job started in an empty folder; one process starts them all."""
    with subprocess.Popen(
        [sys.executable, "-c", RUN_AND_TELL],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path_factory.mktemp("empty"),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        to, back = process.stdin, process.stdout

        def run(script: Path, *flags: str) -> tuple[int, str]:
            to.write(json.dumps([str(script), *flags]) + "\n")
            to.flush()
            code, words = json.loads(back.readline())
            return code, words

        yield run
        to.close()


@pytest.mark.parametrize("words", JOBS, ids=" ".join)
def test_a_job_accepts_the_flags_it_is_shown_with(
    words: list[str], told: Callable[..., tuple[int, str]]
) -> None:
    script, *flags = words
    measures = "fer_ray.job" not in (ROOT / script).read_text(encoding="utf-8")
    # A benchmark has no settings to print; its help is of the flags before it.
    shown = ["--help"] if measures or "--help" in flags else ["--print_config"]
    given = [*flags, *shown] if measures else [*shown, *flags]  # behind `--` is no flag of ours
    code, said = told(ROOT / script, *given)
    assert code == 0, said
    assert said


@pytest.mark.parametrize("words", RAY, ids=" ".join)
def test_ray_accepts_the_flags_it_is_shown_with(words: list[str]) -> None:
    from ray.scripts.scripts import cli

    command, rest = cli, list(words)
    while rest and rest[0] in getattr(command, "commands", {}):
        command = command.commands[rest.pop(0)]
    assert not hasattr(command, "commands"), f"ray {' '.join(words)} must name a subcommand"
    with command.make_context("ray", rest):
        pass


def test_python_shown_is_python() -> None:
    for block in blocks("python"):
        ast.parse(block)


def test_every_recipe_is_explained() -> None:
    for recipe in recipe_names():
        assert f"`{recipe}`" in README


def test_links_lead_to_files_that_are_there() -> None:
    pictures = re.findall(r'<img src="([^"]+)"', README)
    for target in [*re.findall(r"\]\((?!https?:|#)([^)#]+)", README), *pictures]:
        assert (ROOT / target).exists(), target


def test_commands_stand_in_fences_that_these_tests_read() -> None:
    unread = "".join(blocks("", "bash", "shell", "console", "text"))
    assert not re.search(r"^\$? *(python|pip|ray) ", unread, re.MULTILINE)
