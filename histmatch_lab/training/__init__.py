"""Training a network, and how good it becomes."""
