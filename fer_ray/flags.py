"""A flag for every setting, and the manual that --help prints."""

import re
from argparse import Action, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

from jsonargparse import ArgumentParser, DefaultHelpFormatter, set_loader
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from fer_ray import plain_yaml

_MODE = "plain_yaml"  # of jsonargparse: how it reads the value of a flag


def parser_of(
    settings: type[BaseModel],
    about: str,
    job: str,
    given: Mapping[str, Any],
    recipes: Sequence[str],
    default_recipe: str,
) -> ArgumentParser:
    """A parser with a flag for every field; values are YAML, judged later by ``settings``."""
    set_loader(_MODE, _value, (ValueError,))
    parser = ArgumentParser(
        parser_mode=_MODE,
        prog=f"{job}.py",
        usage="%(prog)s [--config NAME_OR_FILE] [--section.field VALUE ...]",
        description=about,
        formatter_class=_Manual,
        exit_on_error=False,
    )
    general = parser.add_argument_group("The job")
    general.add_argument(
        "--config",
        metavar="NAME_OR_FILE",
        help=f"A recipe ({', '.join(recipes)}; default {default_recipe}) or a YAML file;"
        " may be repeated, later ones win.",
    )
    general.add_argument(
        "--print_config", action="store_true", help="Print the resulting settings and exit."
    )
    for name, field in settings.model_fields.items():
        section = section_of(field)
        if section is None:
            _add(general, name, field, given)
            continue
        group = parser.add_argument_group(f"{name}: {(section.__doc__ or '').rstrip('.')}")
        for inner, inner_field in section.model_fields.items():
            _add(group, f"{name}.{inner}", inner_field, given)
    return parser


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The section that ``field`` is, if it is one."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _value(text: str) -> Any:
    """What a flag's text stands for; mappings and dates stay text."""
    value = plain_yaml.load(text)
    return value if value is None or isinstance(value, bool | int | float | list) else text


def _add(group: Any, key: str, field: FieldInfo, given: Mapping[str, Any]) -> None:
    """Give ``group`` the flag of one field, its default taken from ``given`` where it is there."""
    default = given.get(key, field.default)
    if field.annotation == tuple[str, ...] and not isinstance(default, str):
        default = f"[{', '.join(map(str, default))}]"  # names as they are written: 0012 is no 12
    mapping = get_origin(field.annotation) is dict  # its flag's text is read by the setting itself
    kinds = () if mapping else (field.annotation, *get_args(field.annotation))
    bare = {"nargs": "?", "const": True} if field.annotation is bool else {}
    group.add_argument(
        f"--{key}",
        type=str if str in kinds else Any,  # a run named 2026 is a name, not a number
        default=default,
        metavar=key.rpartition(".")[2].upper(),
        help=f"{field.description}{_range(field)}".replace("%", "%%"),
        **bare,
    )


def _range(field: FieldInfo) -> str:
    """The bounds of a number as help shows them; nothing where there are none."""
    bounds = [
        f"{sign} {getattr(rule, name):g}"
        for rule in field.metadata
        for name, sign in (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))
        if getattr(rule, name, None) is not None
    ]
    return f" [{', '.join(bounds)}]" if bounds else ""


class _Manual(DefaultHelpFormatter, RawDescriptionHelpFormatter):
    """Help that keeps the line breaks of a job's own words, and is silent on Python's types."""

    def _get_help_string(self, action: Action) -> str:
        return re.sub(r"type: %\(type\)s, ", "", super()._get_help_string(action))
