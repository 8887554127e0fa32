"""Checks of the exercises: each takes the learner's answer and says in words what is wrong with it.

One module for each notebook that has its own subject: `counting` (00 and 01), `alpha` (02),
`distance` (03), `grid` (04), `learning` (05), `compare` (06), `own_data` (07). Each
check tries a function on fresh random inputs against a reference, and looks a wrong
answer up in its table of mistakes; `feedback` holds what they share.
"""

import importlib
from pkgutil import iter_modules

from histmatch_lab.course.checks.feedback import Check, Feedback, Mistakes

__all__ = ["Check", "Feedback", "Mistakes", "all_checks"]


def all_checks() -> dict[str, Check]:
    """The checks of all modules here, by name."""
    names = [f"{__name__}.{module.name}" for module in iter_modules(__path__)]
    found = [vars(importlib.import_module(name)) for name in names]
    return {name: one for names in found for name, one in names.items() if isinstance(one, Check)}
