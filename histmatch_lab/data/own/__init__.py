"""Data that a reader brings: folders, MIT-Adobe FiveK, movies."""
