"""Tokens by model and kind, and how well the prompt cache works."""

from __future__ import annotations

from dashboards.signals.signal import SELECTED, Signal, rate

INPUT = "proxy_tokens_input_total"
OUTPUT = "proxy_tokens_output_total"
CACHE_READ = "proxy_tokens_cache_read_total"
CACHE_CREATION = "proxy_tokens_cache_creation_total"

INPUT_PER_MINUTE = Signal(f"sum by (model) ({rate(INPUT, SELECTED)}) * 60", "short", "in: {{model}}")
OUTPUT_PER_MINUTE = Signal(f"sum by (model) ({rate(OUTPUT, SELECTED)}) * 60", "short", "out: {{model}}")
CACHE_READ_PER_MINUTE = Signal(f"sum by (model) ({rate(CACHE_READ, SELECTED)}) * 60", "short", "read: {{model}}")
CACHE_CREATION_PER_MINUTE = Signal(
    f"sum by (model, ttl) ({rate(CACHE_CREATION, SELECTED)}) * 60", "short", "write {{ttl}}: {{model}}"
)
