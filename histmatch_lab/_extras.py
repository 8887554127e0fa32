"""Libraries that only some need: imported where used, with a word on how to get them."""

import importlib
from typing import Any


def import_extra(module: str, does: str, extra: str) -> Any:
    """The module; ModuleNotFoundError, which says what it is for and how to get it, without it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            f"{missing.name} is missing, which {does}; pip install 'histmatch-lab[{extra}]'",
            name=missing.name,
        ) from None
