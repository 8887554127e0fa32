"""What the notebooks lean on: checks of exercises, set-up, lessons."""
