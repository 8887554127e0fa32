"""What trainings found, as tables to compare."""
