"""Tests of the proxy, its dashboards and its stack."""
