"""Scripts that measure what the documentation claims about speed and reliability. They share benchmarks.common."""
