"""Grafana as far as dashboards ask something: evaluates them on the real servers, because Grafana cannot run here.

What there is to evaluate is found by walking the JSON. What is not understood is an error, never passed over.
"""
