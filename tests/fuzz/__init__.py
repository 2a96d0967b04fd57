"""Targets that bytes are thrown at: by Hypothesis in the normal tests, by atheris with coverage in `make fuzz`."""
