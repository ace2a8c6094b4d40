"""Loads a script of ``jobs/``, which is no module of a package."""

import importlib.util
from pathlib import Path
from types import ModuleType

JOBS = Path(__file__).parents[2] / "jobs"


def loaded(name: str) -> ModuleType:
    """``jobs/NAME.py`` as a module; its ``main`` is not called."""
    spec = importlib.util.spec_from_file_location(name, JOBS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
