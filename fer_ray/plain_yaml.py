"""YAML as settings are written: plain values in sections, so that no text is a bomb or runs code.

Aliases are refused: ten lines of them stand for gigabytes, or for a value that holds itself. Tags
are: they choose constructors, which fail in ways of their own, and in other loaders run code.
Repeated keys are: YAML forbids them (1.2.2, 3.2.1.1), and PyYAML keeps the last without a word.
"""

import re
from typing import Any

import yaml

_MOST_BITS = 1024  # of a whole number; Python shows none of more than 4,300 digits


class _Loader(yaml.SafeLoader):
    """YAML in which ``1e-4`` is a number, as in YAML 1.2 and on the command line."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "tag", None) is not None:
            what = "an alias (*)" if isinstance(event, yaml.AliasEvent) else "a tag (!)"
            raise yaml.YAMLError(f"it must hold plain values, got {what}{event.start_mark}")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        written = list(node.value)  # "<<" is taken out of it, and what it names put in
        made: dict[Any, Any] = super().construct_mapping(node, deep)
        seen = set()
        for key, _ in written:
            merge = key.tag == "tag:yaml.org,2002:merge"
            name = key.value if merge else self.construct_object(key)
            if name in seen:
                raise yaml.YAMLError(
                    f"a key must stand once, got {name!r:.60} again{key.start_mark}"
                )
            seen.add(name)
        return made


def _whole_number(loader: _Loader, node: yaml.ScalarNode) -> int:
    number = loader.construct_yaml_int(node)
    if number.bit_length() > _MOST_BITS:
        raise yaml.YAMLError(
            f"a whole number must have at most {_MOST_BITS} bits, got {number.bit_length()}"
        )
    return number


_Loader.add_constructor("tag:yaml.org,2002:int", _whole_number)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def load(text: str) -> Any:
    """The value that ``text`` describes: of mappings, lists, text, numbers, dates, truth and null.

    Raises:
        ValueError: it is not YAML, or not plain; the text is one line.
    """
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error
