"""Closes the sets of label values: what clients or upstreams make up never becomes a series of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from proxy.exchange import Exchange, Outcome
from proxy.names import attributes, metrics
from proxy.observer.table import Table

OTHER = "other"
NO_STATUS = "none"
MOST_MODELS = 100
MOST_KEYS = 50
MOST_OTHERS = 50
"""Endpoints, error types, providers and upstream addresses: all configured, so the limit only guards."""


class Admitted:
    """The values of one label that have been let in, at most `most`; everything else is `other`."""

    def __init__(self, most: int, values: Iterable[object] = ()) -> None:
        self._most = most
        self._values = {value for value in values if isinstance(value, str) and value != OTHER}

    def __contains__(self, value: str) -> bool:
        return value in self._values

    @property
    def full(self) -> bool:
        """Whether nothing more is let in."""
        return len(self._values) >= self._most

    def admit(self, value: str | None) -> str | None:
        """Let a value in if there is room; returns it, or `other`. None stays None."""
        if value is None or value in self._values:
            return value
        if self.full:
            return OTHER
        self._values.add(value)
        return value

    def known(self, value: str | None) -> str | None:
        """A value that was let in before, else `other`. None stays None."""
        return value if value is None or value in self._values else OTHER


class Labels:
    """Label values of an exchange. A model counts under its name once it is priced and has answered."""

    def __init__(self, table: Table, knows_model: Callable[[str], bool]) -> None:
        models = {*table.values(metrics.MODEL), *table.values(attributes.GEN_AI_REQUEST_MODEL)}
        self._models = Admitted(MOST_MODELS, models | set(table.values(attributes.GEN_AI_RESPONSE_MODEL)))
        self._keys = Admitted(MOST_KEYS, table.values(metrics.KEY))
        self._endpoints = Admitted(MOST_OTHERS, table.values(metrics.ENDPOINT))
        self._errors = Admitted(MOST_OTHERS, {*table.values(metrics.ERROR_TYPE), *table.values(attributes.ERROR_TYPE)})
        self._providers = Admitted(MOST_OTHERS, table.values(attributes.GEN_AI_PROVIDER_NAME))
        self._addresses = Admitted(MOST_OTHERS, table.values(attributes.SERVER_ADDRESS))
        self._credentials = Admitted(MOST_OTHERS, table.values(metrics.CREDENTIAL))
        self._knows_model = knows_model

    def news(self, exchange: Exchange) -> list[str]:
        """The models of a success that are to be let in."""
        if exchange.outcome is not Outcome.OK or self._models.full:
            return []
        names = (exchange.model, exchange.response_model)
        return [name for name in names if name is not None and name not in self._models and self._knows_model(name)]

    def learn(self, models: Iterable[str]) -> None:
        """Let models in."""
        for name in models:
            self._models.admit(name)

    def model(self, name: str | None) -> str | None:
        """The model, or `other`."""
        return self._models.known(name)

    def key(self, exchange: Exchange) -> str | None:
        """The key of a success, so that invented keys add nothing; None when it does not count or there is no room."""
        if exchange.key is None or (exchange.outcome is not Outcome.OK and exchange.key not in self._keys):
            return None
        admitted = self._keys.admit(exchange.key)
        return None if admitted == OTHER else admitted

    def endpoint(self, name: str) -> str | None:
        """The endpoint, or `other`."""
        return self._endpoints.admit(name)

    def error_type(self, name: str | None) -> str | None:
        """The error type, or `other`."""
        return self._errors.admit(name)

    def provider(self, name: str | None) -> str | None:
        """The provider, or `other`."""
        return self._providers.admit(name)

    def address(self, name: str) -> str | None:
        """The upstream's host, or `other`."""
        return self._addresses.admit(name)

    def credential(self, name: str | None) -> str | None:
        """The credential; `caller` for the caller's own."""
        return self._credentials.admit(name or "caller")


def status_code(status: int | None) -> str:
    """Three digits, `none` when no status was sent, `other` for what HTTP does not know."""
    if status is None:
        return NO_STATUS
    return str(status) if 100 <= status <= 599 else OTHER


def stream(value: bool | None) -> str | None:
    """`true`, `false` or None."""
    return None if value is None else str(value).lower()
