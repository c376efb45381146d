"""What only Studies shows."""
