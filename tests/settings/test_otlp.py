from __future__ import annotations

import pytest

from proxy.settings.errors import SettingsError
from proxy.settings.otlp import TEMPORALITY, Exporter, Otlp, read_metric_interval, read_otlp

COLLECTOR = "OTEL_EXPORTER_OTLP_ENDPOINT"
PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"


def test_without_variables_nothing_is_exported() -> None:
    assert read_otlp({}) == Otlp()


def test_the_general_endpoint_gets_the_path_of_each_signal() -> None:
    otlp = read_otlp({COLLECTOR: "http://127.0.0.1:4318/"})
    assert otlp == Otlp(
        metrics=Exporter("http://127.0.0.1:4318/v1/metrics"),
        logs=Exporter("http://127.0.0.1:4318/v1/logs"),
        traces=Exporter("http://127.0.0.1:4318/v1/traces"),
    )


def test_a_signals_own_variables_go_before_the_general_ones() -> None:
    otlp = read_otlp(
        {
            COLLECTOR: "http://general:4318",
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20a,tenant=1",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "3000",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            "OTEL_EXPORTER_OTLP_CERTIFICATE": "/ca.pem",
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "https://own:1/any/path",
            "OTEL_EXPORTER_OTLP_LOGS_HEADERS": "tenant=2",
            "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT": "500",
            "OTEL_EXPORTER_OTLP_LOGS_COMPRESSION": "none",
        }
    )
    assert otlp.logs == Exporter(
        "https://own:1/any/path", {"authorization": "Bearer a", "tenant": "2"}, 0.5, "none", "/ca.pem"
    )
    assert otlp.traces == Exporter(
        "http://general:4318/v1/traces", {"authorization": "Bearer a", "tenant": "1"}, 3.0, "gzip", "/ca.pem"
    )


@pytest.mark.parametrize(
    ("endpoint", "insecure", "target"),
    [
        ("http://c:4317", "", "http://c:4317"),
        ("http://c", "", "http://c:4317"),
        ("https://c:1/ignored", "true", "https://c:1"),
        ("c:4317", "", "https://c:4317"),
        ("c", "false", "https://c:4317"),
        ("c:1", "TRUE", "http://c:1"),
        ("http://[::1]", "", "http://[::1]:4317"),
        ("[::1]:5", "true", "http://[::1]:5"),
    ],
)
def test_grpc_goes_to_host_and_port(endpoint: str, insecure: str, target: str) -> None:
    otlp = read_otlp({COLLECTOR: endpoint, PROTOCOL: "grpc", "OTEL_EXPORTER_OTLP_INSECURE": insecure})
    assert otlp.logs == otlp.metrics == otlp.traces == Exporter(target, protocol="grpc")


def test_each_signal_may_go_by_a_protocol_of_its_own() -> None:
    otlp = read_otlp({COLLECTOR: "http://c:1", PROTOCOL: "grpc", "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http/protobuf"})
    assert otlp.logs == Exporter("http://c:1/v1/logs")
    assert otlp.traces == Exporter("http://c:1", protocol="grpc")


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        (COLLECTOR, "unix:///run/otlp", "expected an http or https URL such as http://127.0.0.1:4317"),
        (COLLECTOR, "c:99999", "expected an http or https URL such as http://127.0.0.1:4317"),
        (HEADERS, "a=%C3%A9", "gRPC takes values of ASCII only, and no names that end with -bin"),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "c.pem", "has no key, which gRPC wants; set …_CLIENT_KEY, too"),
        (HEADERS, "a-Bin=x", "gRPC takes values of ASCII only, and no names that end with -bin"),
    ],
)
def test_what_grpc_cannot_take_is_an_error(variable: str, value: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_otlp({COLLECTOR: "http://c:1", PROTOCOL: "grpc", variable: value})
    assert str(raised.value) == f"{variable}: {sentence}"


@pytest.mark.parametrize(
    ("variables", "exported"),
    [
        ({"OTEL_SDK_DISABLED": "TRUE"}, set()),
        ({"OTEL_LOGS_EXPORTER": "none"}, {"metrics", "traces"}),
        ({"OTEL_LOGS_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "none"}, {"logs", "traces"}),
    ],
)
def test_signals_can_be_switched_off(variables: dict[str, str], exported: set[str]) -> None:
    otlp = read_otlp({COLLECTOR: "http://c:4318", **variables})
    assert {signal for signal in ("metrics", "logs", "traces") if getattr(otlp, signal)} == exported


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, "anthropic-proxy"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=from-resource"}, "from-resource"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=from-resource", "OTEL_SERVICE_NAME": "own"}, "own"),
    ],
)
def test_the_service_is_named_by_its_variable_before_the_resource(variables: dict[str, str], name: str) -> None:
    otlp = read_otlp(variables)
    assert (otlp.service_name, otlp.resource) == (name, {})


def test_resource_attributes_are_percent_decoded() -> None:
    otlp = read_otlp({"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test, team=a%2Cb"})
    assert otlp.resource == {"deployment.environment.name": "test", "team": "a,b"}


@pytest.mark.parametrize("pair", ["%C3%9F=1", "1st=x", "a%0A=x", "a=%00", "a=\udcff", f"a={'%C3%A9' * 513}"])
def test_resource_attributes_that_would_cost_every_record_are_refused(pair: str) -> None:
    with pytest.raises(SettingsError, match="OTEL_RESOURCE_ATTRIBUTES"):
        read_otlp({"OTEL_RESOURCE_ATTRIBUTES": f"team=a,{pair}"})


def test_the_metric_interval_is_read_in_milliseconds() -> None:
    assert read_metric_interval({"OTEL_METRIC_EXPORT_INTERVAL": "2500"}) == 2.5
    assert read_metric_interval({"OTEL_METRIC_EXPORT_INTERVAL": " "}) is None


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        (COLLECTOR, "collector:4318", "expected an http or https URL such as http://127.0.0.1:4318"),
        (COLLECTOR, "http://user:secret@c:4318", "the URL holds a credential; send it by OTEL_EXPORTER_OTLP_HEADERS"),
        (COLLECTOR, "http://[::1", "expected an http or https URL such as http://127.0.0.1:4318"),
        (COLLECTOR, "http://c:99999", "expected an http or https URL such as http://127.0.0.1:4318"),
        (COLLECTOR, "http://c d:1", "expected an http or https URL such as http://127.0.0.1:4318"),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "a b=c",
            "holds what cannot be sent as an HTTP header; percent-encode values only",
        ),
        (
            "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
            "a=%0d%0ab",
            "holds what cannot be sent as an HTTP header; percent-encode values only",
        ),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "GRPC", "'GRPC' is not built; use http/protobuf or grpc"),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/json", "'http/json' is not built; use http/protobuf or grpc"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "k.pem", "has no certificate; set …_CLIENT_CERTIFICATE, too"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "expected gzip or none, not 'zstd'"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", "expected a number from 0 to 1,000,000,000, not 'soon'"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "secret", "expected comma-separated name=value pairs, percent-encoded"),
        ("OTEL_METRICS_EXPORTER", "prometheus", "expected otlp or none, not 'prometheus'"),
        ("OTEL_TRACES_SAMPLER_ARG", "2", "expected a number from 0 to 1, not '2'"),
        (
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
            "true",
            "message content in telemetry is not built yet; unset it",
        ),
    ],
)
def test_what_cannot_be_followed_is_an_error_that_names_the_variable(variable: str, value: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_otlp({COLLECTOR: "http://c:4318", variable: value})
    assert str(raised.value) == f"{variable}: {sentence}"


def test_headers_are_masked_in_repr() -> None:
    """H22"""
    assert repr(Exporter("http://c", {"authorization": "canary"})) == "Exporter('http://c', headers=['authorization'])"


@pytest.mark.parametrize(
    ("value", "ignored"), [("delta", True), ("LowMemory", True), ("Cumulative", False), (" ", False)]
)
def test_a_wish_for_another_temporality_is_no_error_and_known_as_ignored(value: str, ignored: bool) -> None:
    assert read_otlp({TEMPORALITY: value}).temporality_ignored is ignored
