"""What bytes mean: sans-I/O, incremental readers of requests, responses and headers."""
