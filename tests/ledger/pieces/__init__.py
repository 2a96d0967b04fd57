"""Tests of bodies in pieces."""
