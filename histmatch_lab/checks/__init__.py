"""Checks of the exercises: each takes the learner's answer and says in words what is wrong with it.

One module for each notebook: `counting`, `alpha`, `distance`, `grid`, `learning`, `compare`.
"""

from histmatch_lab.checks.verdict import Verdict

__all__ = ["Verdict"]
