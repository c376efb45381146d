"""What only Search shows."""
