"""What commands narrow requests by: the filters of the pages, named as options."""

from __future__ import annotations

import time
from collections.abc import Mapping

import click

from proxy.ledger.filters import Filter

_PARAMETERS = {"since": "from", "until": "to", "session": "session_id", "request": "request_id"}
"""Options whose filter has another name."""


def filter_of(given: Mapping[str, str | None]) -> Filter:
    """The filter of some options, None for those that were not given. Raises click.UsageError."""
    from proxy.inspector.filters import BadParameter, view

    parameters = {_PARAMETERS.get(name, name): value for name, value in given.items() if value is not None}
    try:
        return view(parameters, time.time_ns()).where
    except BadParameter as error:
        text = str(error)
        for option, name in _PARAMETERS.items():
            text = text.replace(f"'{name}'", f"--{option}")
        raise click.UsageError(text) from error
