"""From argv and recipes to settings, or to one sentence that says what is wrong with them."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import yaml
from jsonargparse import ArgumentError, Namespace
from pydantic import BaseModel, ValidationError

from fer_ray import plain_yaml
from fer_ray.config import JobConfig, TrainConfig
from fer_ray.flags import parser_of, section_of
from fer_ray.names import local_path

C = TypeVar("C", bound=JobConfig)

DEFAULT_RECIPE = "demo"
_RECIPES = resources.files("fer_ray") / "recipes"


class SettingsError(ValueError):
    """A setting is wrong: one sentence naming it as it was typed."""


def parse(argv: Sequence[str], settings: type[C], about: str, job: str) -> C:
    """The settings of ``argv``: flags over ``--config`` files and recipes over defaults.

    Without ``--config`` the recipe is ``demo``. ``--help`` and ``--print_config`` print to stdout
    and exit with 0.

    Raises:
        SettingsError: unknown key, recipe or file, a value out of range, a path that is not there.
    """
    flags, configs = _without_configs(argv)
    printing = "--print_config" in flags
    flags = [flag for flag in flags if flag != "--print_config"]
    given: dict[str, Any] = {}
    for name in configs or [DEFAULT_RECIPE]:
        for key, value in _flat(_load(name)):
            given[key] = value
    known = dict(_flat(_defaults(TrainConfig))) | dict(_flat(_defaults(settings)))
    for key in given:
        if key not in known:
            raise SettingsError(f"{_one_line(key)} is not a setting; --help lists them")
    ours = {key: value for key, value in given.items() if key in dict(_flat(_defaults(settings)))}
    parser = parser_of(settings, about, job, ours, recipe_names(), DEFAULT_RECIPE)
    try:
        namespace = parser.parse_args(flags)
    except ArgumentError as error:
        raise SettingsError(_one_line(str(error))) from error
    nested = namespace.as_dict()
    del nested["config"], nested["print_config"]  # seen to above
    config = _validated(settings, nested)
    if printing:
        sys.stdout.write(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
        sys.exit(0)
    _check_paths(config)
    return config


def recipe_names() -> list[str]:
    """The recipes that come with the package."""
    return sorted(p.name.removesuffix(".yaml") for p in _RECIPES.iterdir() if p.name[0] != ".")


def _without_configs(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """``argv`` without its ``--config`` flags, and their values in order."""
    flags: list[str] = []
    configs: list[str] = []
    rest = iter(argv)
    for word in rest:
        if word == "--config":
            value = next(rest, None)
            if value is None or value.startswith("--"):
                raise SettingsError("--config must name a recipe or a YAML file, got nothing")
            configs.append(value)
        elif word.startswith("--config="):
            configs.append(word.removeprefix("--config="))
        else:
            flags.append(word)
    return flags, configs


def _load(name: str) -> dict[str, Any]:
    """The settings of a recipe by name, or of a YAML file by path."""
    if name.endswith((".yaml", ".yml")) or "/" in name:
        path = Path(name).expanduser()
        if not _exists(path) or not path.is_file():
            raise SettingsError(f"--config must name an existing file, got {name!r}")
        content = path.read_bytes
    elif name in recipe_names():
        content = (_RECIPES / f"{name}.yaml").read_bytes
    else:
        raise SettingsError(
            f"--config must be one of {', '.join(recipe_names())} or a YAML file, got {name!r}"
        )
    try:
        loaded = plain_yaml.load(content().decode())
    except (OSError, ValueError) as error:
        raise SettingsError(f"--config {name} must be YAML: {_one_line(str(error))}") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise SettingsError(f"--config {name} must hold sections of settings, got {loaded!r:.60}")
    return loaded


def _defaults(settings: type[BaseModel]) -> dict[str, Any]:
    """The default of every field of ``settings``, nested by section."""
    return {
        name: _defaults(section) if (section := section_of(field)) else field.default
        for name, field in settings.model_fields.items()
    }


def _flat(nested: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """``section.field, value`` of settings nested one deep."""
    for name, value in nested.items():
        if isinstance(value, Mapping):
            for key, inner in value.items():
                yield f"{name}.{key}", inner
        else:
            yield str(name), value


def _validated(settings: type[C], nested: Mapping[str, Any]) -> C:
    """``settings`` made of ``nested`` values, or the first thing wrong with them."""
    plain = {k: v.as_dict() if isinstance(v, Namespace) else v for k, v in nested.items()}
    try:
        return settings.model_validate(plain)
    except ValidationError as error:
        raise SettingsError(told(error)) from error


_TOLD = {
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be greater than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "literal_error": "must be {expected}",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "finite_number": "must be a finite number",
    "tuple_type": "must be a list in brackets",
    "list_type": "must be a list in brackets",
    "dict_type": "must be a mapping in braces",
}


def told(error: ValidationError) -> str:
    """The first error as a sentence: what must be what, got what."""
    errors = error.errors(include_url=False)
    first = errors[0]
    names = [str(part) for part in first["loc"]]
    key = ".".join(names[:2])
    same = [e for e in errors if e["loc"][:2] == first["loc"][:2]]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, ValueError):
        text = str(cause)
        return (
            text
            if not key or text.startswith(key.split(".")[0])
            else (f"{key} {text}, got {first['input']!r}")
        )
    ways = dict.fromkeys(
        _TOLD.get(e["type"], e["msg"].lower()).format(**e.get("ctx", {})) for e in same
    )
    return f"{key} {' or '.join(ways).replace(' or must be ', ' or ')}, got {first['input']!r}"


def _check_paths(config: JobConfig) -> None:
    """Refuse inputs on this machine that are not there."""
    for section, field in (("data", "uri"), ("model", "pretrained"), ("evaluate", "model")):
        uri = getattr(getattr(config, section, None), field, None)
        path = None if uri is None or "/" not in uri else local_path(uri)  # else a run's name
        if path is not None and not _exists(Path(path)):
            raise SettingsError(
                f"{section}.{field} must be an existing file or folder, got {uri!r}"
            )


def _exists(path: Path) -> bool:
    """Whether there is something at ``path``; never where its name is too long for any file."""
    try:
        return path.exists()
    except OSError:
        return False


def _one_line(text: str) -> str:
    """``text`` with its line breaks folded."""
    return " ".join(text.split())
