"""What only Home shows."""
