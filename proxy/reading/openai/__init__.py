"""OpenAI's dialect, as its API and compatible servers speak it: chat, responses, embeddings and images."""
