"""What README.md tells people to type is what the programs accept."""

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
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
JOBS = [words[1:] for words in COMMANDS if words[0] == "python" and words[1].startswith("jobs/")]
RAY = [words[1:] for words in COMMANDS if words[0] == "ray"]


def test_the_two_commands_that_do_everything_stand_first() -> None:
    assert "pip install -e . && python jobs/train.py\n" in blocks("sh")[0]
    assert "pip install -e '.[test]' && pytest\n" in "".join(blocks("sh"))


def test_every_command_is_one_that_people_have() -> None:
    installed = {"pip", "pytest", "python", "ray", "tensorboard", "uv"}
    assert {words[0] for words in COMMANDS} <= installed | PROGRAMS


@pytest.mark.parametrize("words", JOBS, ids=" ".join)
def test_a_job_accepts_the_flags_it_is_shown_with(words: list[str], tmp_path: Path) -> None:
    script, *flags = words
    measures = "fer_ray.job" not in (ROOT / script).read_text(encoding="utf-8")
    # A benchmark has no settings to print; its help is of the flags before it.
    shown = ["--help"] if measures or "--help" in flags else ["--print_config"]
    told = subprocess.run(
        [sys.executable, ROOT / script, *flags, *shown],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout


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
