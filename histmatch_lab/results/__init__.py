"""What trainings found: the tables, and the claims computed from them."""
