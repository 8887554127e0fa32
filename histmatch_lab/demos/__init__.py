"""The interactive figures of the course."""

from importlib import import_module
from pkgutil import iter_modules

from histmatch_lab.demos import figures
from histmatch_lab.demos.demo import Demo, Frame, demo

__all__ = ["Demo", "Frame", "all_demos", "demo", "find_demo"]


def all_demos() -> dict[str, Demo]:
    """Every demo of the course by name ("module:function"), module by module."""
    modules = [
        import_module(f"{figures.__name__}.{m.name}") for m in iter_modules(figures.__path__)
    ]
    found = (value for module in modules for value in vars(module).values())
    return {value.name: value for value in found if isinstance(value, Demo)}


def find_demo(name: str) -> Demo:
    """The demo of that name ("module:function"); LookupError if there is none."""
    module, _, function = name.partition(":")
    found = getattr(import_module(module), function, None)
    if not isinstance(found, Demo):
        raise LookupError(f"no demo is called {name!r}")
    return found
