"""The list of models."""

from __future__ import annotations

from genai_prices import Usage, calc_price

from proxy.demo.agent import SMALL_MODEL
from proxy.demo.models import model_entry, model_page
from proxy.demo.script import MODEL
from proxy.demo.traffic import MODELS


def test_page_and_entries_agree() -> None:
    page = model_page()
    assert [model_entry(entry["id"]) for entry in page["data"]] == page["data"]
    assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
    assert model_entry("claude-none") is None


def test_models_of_the_traffic_have_a_price() -> None:
    for model in {*MODELS, SMALL_MODEL, MODEL}:
        assert calc_price(Usage(input_tokens=1_000), model, provider_id="anthropic").total_price > 0
