"""OpenAI's dialect of the fake upstream: the same answers in other shapes."""
