"""Many trainings, on one machine or many: `histmatch-lab sweep` (docs/sweeps.md)."""
