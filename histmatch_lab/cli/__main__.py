"""`python -m histmatch_lab.cli`, for torchrun."""

from histmatch_lab.cli import app

app()
