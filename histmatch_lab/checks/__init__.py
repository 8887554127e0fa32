"""Checks of the exercises: each takes the learner's answer and says in words what is wrong with it.

One module for each notebook: `checks.counting`, `checks.alpha`, `checks.distance`.
"""

from histmatch_lab.checks.verdict import Verdict

__all__ = ["Verdict"]
