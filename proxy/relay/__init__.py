"""Moves bytes between client and upstream and hands one capture per request to the recorder."""
