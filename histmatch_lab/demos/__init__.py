"""The interactive figures of the course, one module for each notebook."""

from importlib import import_module

from histmatch_lab.demos.demo import Demo, Frame, demo, registered_demos

__all__ = ["Demo", "Frame", "all_demos", "demo", "find_demo"]

_MODULES = (
    "counting",
    "kernels",
    "alpha",
    "slope",
    "ends",
    "distance",
    "descent",
    "microscope",
    "grid",
    "compare",
    "own_data",
)


def all_demos() -> dict[str, Demo]:
    """Every demo of the course by name ("module:function")."""
    for module in _MODULES:
        import_module(f"{__name__}.figures.{module}")
    return {k: d for k, d in registered_demos().items() if k.startswith(f"{__name__}.")}


def find_demo(name: str) -> Demo:
    """The demo of that name ("module:function"); LookupError if there is none."""
    module, _, _function = name.partition(":")
    import_module(module)
    try:
        return registered_demos()[name]
    except KeyError:
        raise LookupError(f"no demo is called {name!r}") from None
