"""Executed notebooks as pages that work without a kernel and without a network, from a file.

Demos get sliders that work on the page, and formulas are drawn by KaTeX, which lies beside it. The
pages of a folder share one style sheet, one script, and one list of contents, by which each of them
leads to the others and searches them all.
"""
