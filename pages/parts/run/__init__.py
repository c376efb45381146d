"""What only Run shows."""
