"""uvicorn as both ports use it: its parsers made strict, its connections bounded, its end left to the process."""
