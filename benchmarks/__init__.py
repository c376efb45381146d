"""What the laboratory claims about speed and reliability, as scripts; what they share is in benchmarks.common."""
