"""Libraries that only some need: imported where used, with a word on how to get them."""

import importlib
from typing import Any


def import_extra(module: str, called: str, does: str, extra: str) -> Any:
    """The module; ModuleNotFoundError, which says what it is for and how to get it, without it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"{called} is missing, which {does}; pip install 'histmatch-lab[{extra}]'", name=module
        ) from None
