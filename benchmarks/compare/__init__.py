"""What jobsup is compared with, and how: ``python -m benchmarks``."""
