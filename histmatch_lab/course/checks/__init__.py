"""Checks of the exercises: each takes the learner's answer and says in words what is wrong with it.

One module for each notebook that has its own subject: `counting` (00 and 01), `alpha` (02),
`distance` (03), `grid` (04), `learning` (05), `compare` (06), `own_data` (07). Each
check tries a function on fresh random inputs against a reference, and looks a wrong
answer up in its table of mistakes; `feedback` holds what they share.
"""

from histmatch_lab.course.checks.feedback import Check, Feedback, Mistakes

__all__ = ["Check", "Feedback", "Mistakes"]
