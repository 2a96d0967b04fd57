"""The pages in a real browser: nothing captured runs or loads, and all works without scripts and by keyboard."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Dialog, Page, Request, expect

from tests.inspector.conftest import Sample, sign_in, vector
from tests.inspector.filling import NOW_NS, SECOND, answered, failed, json_bytes, telling
from tests.inspector.site import CODE, Site, serving

PAYLOADS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)' x='",
    "</title><script>alert(1)</script>",
    "</textarea></pre></code><script>alert(1)</script>",
    "<a href=javascript:alert(1)>x</a>",
    "![x](http://evil.test/a.png)",
    "[x](javascript:alert(1))",
    "<link rel=stylesheet href=http://evil.test/a.css>",
    "<style>@import 'http://evil.test/a.css';</style>",
    "<base href=http://evil.test/>",
    "<meta http-equiv=refresh content='0;url=http://evil.test/'>",
    "<form action=http://evil.test/><button autofocus onfocus=alert(1)>x</button></form>",
    "<object data=http://evil.test/a.swf></object>",
    "{{ 7*7 }}{% raw %}${7*7}",
    "```html\n<script>alert(1)</script>\n```",
    "<math><mtext><mglyph><style><img src onerror=alert(1)></style></mglyph></mtext></math>",
    "\u202e\u0000<!--<img src=http://evil.test/a.png>-->",
    "&lt;script&gt;alert(1)&lt;/script&gt;<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
)
PAGES = ("", "?raw=1", "?view=json", "?view=json&hop=upstream_response")


def poisoned(payload: str) -> dict[str, object]:
    block = {"type": "text", "text": payload, "cache_control": {"ttl": payload}}
    return {
        "model": payload,
        payload: payload,
        "system": payload,
        "tools": [{"name": payload, "description": payload, "input_schema": {payload: payload}, "type": payload}],
        "messages": [
            {"role": payload, "content": [block, {"type": payload, payload: payload}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": payload, "content": payload}]},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": payload, "name": payload, "input": {payload: 1}}],
            },
            {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": payload}}]},
            {
                "role": "user",
                "content": [{"type": "document", "title": payload, "source": {"type": "text", "data": payload}}],
            },
        ],
    }


def test_nothing_captured_runs_or_loads(page: Page, tmp_path: Path) -> None:
    """H3, H4"""
    told_ids = []
    stream, stream_headers = vector("anthropic_stream_text.json")
    with telling(tmp_path / "data") as told, serving(told.folder) as site:
        for number, payload in enumerate(PAYLOADS):
            started = NOW_NS + number * SECOND
            exchange = replace(
                failed(told.id_at(started), started) if number % 2 else answered(told.id_at(started), started),
                model=payload, response_model=f"{payload}2", upstream=payload, endpoint=payload, finish_reason=payload,
                error_type=payload, error_message=payload, path=payload, query=payload, session_id=payload,
                client=payload, key=payload, method=payload, upstream_request_id=payload, parameters=payload,
                customer_data=json_bytes({payload: payload}).decode(), organization=payload, account=payload,
            )  # fmt: skip
            headers = (*stream_headers, ("x-evil", payload), (payload, "x"))
            body = (
                stream.replace(b"The ", json_bytes(payload)[1:-1]) + f"event: {payload}\ndata: {payload}\n\n".encode()
            )
            told_ids.append(
                told.finished(exchange, request=json_bytes(poisoned(payload)), response=body, response_headers=headers)
            )
        told.settle(*told_ids)
        dialogs: list[str] = []
        foreign: list[str] = []

        def asked(request: Request) -> None:
            if not request.url.startswith(f"{site.base}/"):
                foreign.append(request.url)

        def asked_person(dialog: Dialog) -> None:
            dialogs.append(dialog.message)
            dialog.dismiss()

        page.on("dialog", asked_person)
        page.on("request", asked)
        violations: list[str] = []
        page.on("console", lambda message: violations.append(message.text) if message.type == "error" else None)
        sign_in(page.context, site)
        page.goto(f"{site.base}/requests?operation=all")
        expect(page.locator("table.log tbody tr")).to_have_count(len(PAYLOADS))
        for number, request_id in enumerate(told_ids):
            page.goto(f"{site.base}/requests/{request_id}{PAGES[number % len(PAGES)]}")
            page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
            assert page.locator("h1").count() == 1
            assert page.locator("main script, main img, main iframe, main style, main object, main base").count() == 0
        for payload in PAYLOADS[:6]:
            page.goto(f"{site.base}/requests?{urlencode({'model': payload, 'session_id': payload})}")
            expect(page.locator("form.filters input[name=session_id]")).to_have_value(payload)

    assert (dialogs, foreign) == ([], [])
    assert [text for text in violations if "Content Security Policy" in text] == []


def test_the_policy_stops_what_would_get_past_the_escaping(page: Page, site: Site, sample: Sample) -> None:
    """H3"""
    sign_in(page.context, site)
    page.goto(f"{site.base}/requests")
    added = """() => new Promise((done) => {
        document.addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective));
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.body.append(script);
    })"""

    assert page.evaluate(added) == "script-src-elem"
    assert page.evaluate("window.ran") is None


def test_everything_works_without_scripts(chromium: Browser, site: Site, sample: Sample) -> None:
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 900})
    sign_in(context, site)
    page = context.new_page()
    page.goto(f"{site.base}/requests")
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()
    page.locator("details.pop summary").nth(2).click()
    expect(page.get_by_text("input_cache_read", exact=True).nth(1)).to_be_visible()
    page.select_option("select[name=status]", "4xx")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("link", name="Details").click()
    expect(page.locator(".banner")).to_contain_text("rate_limit_error")
    page.get_by_role("link", name="JSON", exact=True).click()
    page.get_by_role("link", name="Upstream → proxy").click()
    expect(page.locator(".panel")).to_contain_text("anthropic-ratelimit-unified-status")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    context.close()


def test_a_request_can_be_opened_by_keyboard_alone(page: Page, site: Site, sample: Sample) -> None:
    sign_in(page.context, site)
    page.goto(f"{site.base}/requests?status=4xx")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.textContent")
        if focused.startswith("Details"):
            break
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    page.keyboard.press("Enter")
    page.wait_for_url("**/requests/px_*")

    assert outline == "solid"
    expect(page.locator(".banner")).to_be_visible()


def test_the_printed_link_opens_the_list_and_leaves_no_code_behind(page: Page, sample: Sample) -> None:
    """H8"""
    referrers: list[str] = []
    page.on("request", lambda request: referrers.append(request.headers.get("referer", "")))
    with serving(sample.folder) as site:
        page.goto(f"{site.base}/sign-in?code={CODE}&next=/requests%3Fstatus=4xx")
        page.wait_for_url("**/requests?status=4xx")
        expect(page.get_by_role("heading", name="Requests")).to_be_visible()
        cookies = page.context.cookies()

    assert [(cookie["httpOnly"], cookie["sameSite"]) for cookie in cookies] == [(True, "Strict")]
    assert page.evaluate("document.cookie") == ""


def test_another_site_can_neither_read_nor_act(page: Page, site: Site, sample: Sample) -> None:
    """H6: a page of another name of this machine sends a form to the inspector."""
    sign_in(page.context, site)
    port = site.base.rpartition(":")[2]
    page.goto(f"http://localhost:{port}/sign-in")
    form = f"""() => {{
        const form = document.createElement("form");
        form.method = "post";
        form.action = "http://127.0.0.1:{port}/sign-out";
        document.body.append(form);
        form.submit();
    }}"""
    page.evaluate(form)
    address = f"http://127.0.0.1:{port}/api/v1/exchanges"
    read = page.evaluate(f"fetch('{address}', {{credentials: 'include'}}).then(() => 'read', () => 'refused')")
    page.goto(f"{site.base}/requests")

    assert read == "refused"
    expect(page.get_by_role("heading", name="Requests")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_break_no_rule_of_wcag_aa(chromium: Browser, site: Site, sample: Sample, scheme: str) -> None:
    context = chromium.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 900})  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{site.base}/sign-in")
    found = {"sign-in": _violations(page)}
    sign_in(context, site)
    for place in ("/requests", f"/requests/{sample.ids['instream']}"):
        page.goto(f"{site.base}{place}")
        page.evaluate("document.querySelectorAll('details:not(.pop)').forEach((each) => { each.open = true; })")
        found[place] = _violations(page)
    context.close()

    assert {place: rules for place, rules in found.items() if rules} == {}


def _violations(page: Page) -> list[str]:
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    results = Axe().run(page, options=rules)
    return [f"{each['id']}: {each['nodes'][0]['html'][:120]}" for each in results.response["violations"]]
