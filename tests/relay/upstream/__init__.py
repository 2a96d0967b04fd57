"""Tests of the upstream client; what real upstreams do to it stands in `tests/faults`."""
