"""The files of the stack agree with each other, with the proxy and with the servers that are tested; nothing runs."""
