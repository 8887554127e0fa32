"""The interactive figures, a module for each section of the course."""
