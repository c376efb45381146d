"""What only New run shows."""
