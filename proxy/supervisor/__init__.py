"""One command for everything: ports and data folder made ready, relay and observer started, watched and stopped."""
