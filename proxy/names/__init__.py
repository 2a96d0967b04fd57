"""Every name that leaves the proxy, once: metrics, log fields, span attributes. Tables only, no logic."""
