"""What quadlib costs: one question a file, `python -m benchmarks` answers them."""
