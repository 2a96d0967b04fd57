from __future__ import annotations

from typing import Any

from proxy.inspector.filters import DESCRIPTIONS
from tests.inspector.conftest import Sample
from tests.inspector.site import Site


def test_every_described_path_answers_as_described(sample: Sample, site: Site) -> None:
    with site.client() as client:
        description: dict[str, Any] = client.get("/openapi.json").json()
        for path, methods in description["paths"].items():
            actual = path.format(request_id=sample.ids["stream"], hop="client_request")
            answer = client.get(actual)
            (media_type,) = methods["get"]["responses"]["200"]["content"]

            assert answer.status_code == 200, actual
            assert answer.headers["content-type"].startswith(media_type)


def test_every_field_and_parameter_is_described(sample: Sample, site: Site) -> None:
    with site.client() as client:
        description = client.get("/openapi.json").json()
        given = client.get(f"/api/v1/exchanges/{sample.ids['stream']}").json()
    named = {each["name"] for each in description["paths"]["/api/v1/exchanges"]["get"]["parameters"]}

    assert set(given) == set(description["components"]["schemas"]["Exchange"]["properties"])
    assert named == {*DESCRIPTIONS, "before", "after", "limit"}
