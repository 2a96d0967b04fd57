"""The fake upstream in OpenAI's dialect."""
