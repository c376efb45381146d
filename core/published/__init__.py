"""TODO published."""
