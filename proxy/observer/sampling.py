"""Which exchanges have spans: all, unless a sampler was asked for.

https://opentelemetry.io/docs/specs/otel/trace/sdk/#traceidratiobased
"""

from __future__ import annotations

_LOW_64 = (1 << 64) - 1


def sampled(trace_id: int, sampler: str, ratio: float) -> bool:
    """The decision of a standard sampler; the same for every span of a trace.

    The caller's own decision is not recorded, so a `parentbased_…` sampler decides as its root does.
    """
    kind = sampler.removeprefix("parentbased_")
    if kind == "always_off":
        return False
    return kind != "traceidratio" or trace_id & _LOW_64 < round(ratio * (1 << 64))
