"""Side-by-side benchmarks: this proxy and nginx in one run, so that ratios mean something on a noisy machine."""
