"""Group H over HTTP and as processes: who may look, what filters and addresses can do, what leaves, what is shipped."""

from __future__ import annotations

import ast
import contextlib
import csv
import io
import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from proxy.inspector.app import application
from proxy.inspector.ledger import Ledger
from proxy.ledger.folder import Folder
from tests.faults.parsers import client_headers
from tests.kit import laws
from tests.kit.process import Proxy, wait
from tests.kit.raw import Reply, ask, get, post
from tests.kit.upstream import Talk, Upstream

ROOT = Path(__file__).parent.parent.parent
PRODUCTION = '[endpoints.production]\npath = "/production"\n[log]\nformat = "text"\n'
ANSI = "\x1b[31mred\x1b[0m\r\n[bold]{x}[/bold] \x1b]8;;http://evil.test\x07link\x1b]8;;\x07\x85\u2028\u202e"
PROBES = ("/healthz", "/readyz")
CAPTURED = (
    *("exchanges", "attempts", "windows", "limits", "headers", "chunks", "journal"),
    *("exchange_bodies", "bodies", "body_nodes", "nodes", "pieces", "loose"),
)
"""Tables that relays write; a name that is none would raise."""


@dataclass
class House:
    """A proxy with one endpoint, its upstream, and a server that nobody must ask."""

    proxy: Proxy
    upstream: Upstream
    evil: Upstream

    def ask(self, path: str, body: bytes = b"{}", headers: str = "") -> Reply:
        """One POST to the endpoint, recorded when this returns."""
        reply = ask(self.proxy.base_url, post(f"/production{path}", body, headers))
        self.proxy.exchange(reply.request_id)
        return reply

    def both(self, request: bytes) -> list[Reply]:
        """The same request to either port."""
        return [ask(url, request) for url in (self.proxy.base_url, self.proxy.inspector_url)]


def echo(talk: Talk) -> None:
    """An error whose words are those of the request, or a small message."""
    asked = json.loads(talk.seen.body or b"{}")
    if "say" in asked:
        error = {"type": "error", "error": {"type": "invalid_request_error", "message": asked["say"]}}
        talk.answer(json.dumps(error).encode(), status="400 Bad Request")
    else:
        talk.answer(b'{"type":"message","model":"claude-sonnet-4-6","usage":{"input_tokens":1,"output_tokens":1}}')


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with Upstream(script=echo).running() as upstream, Upstream().running() as evil:
        proxy = Proxy(tmp_path_factory.mktemp("proxy"), upstream.url, rest=PRODUCTION)
        with proxy.running():
            yield House(proxy, upstream, evil)
            assert evil.connections == 0


@pytest.fixture
def house(installation: House) -> Iterator[House]:
    installation.upstream.seen.clear()
    yield installation
    laws.check(installation.proxy)


def paths(folder: Path) -> list[str]:
    """Every address of the inspector, as its route table has them."""
    app = application(
        folder=Folder(folder), base_urls={}, token="x" * 20, token_file=folder, sign_in_code=None, metrics=_nothing
    )
    return [
        str(getattr(route, "path", "")).replace("{request_id}", "px_1").replace("{", "").replace("}", "")
        for route in app.routes
    ]


def _nothing(accept: str, health: bool) -> tuple[bytes, str]:
    return b"", ""


def test_h2_a_mask_shows_the_last_four_of_a_long_secret_and_no_length(house: House) -> None:
    long, longer = "sk-ant-api03-" + "q" * 30 + "wXyZ", "sk-ant-api03-" + "q" * 90 + "wXyZ"
    masks = [
        dict(client_headers(house.proxy, house.ask("/v1/messages", headers=f"x-api-key: {key}\r\n")))["x-api-key"]
        for key in (long, longer, "sk-ant-api03-abcd1234", "AIzaSyA-12345678")
    ]
    assert [re.fullmatch(r"\*\*\*(wXyZ)?-[0-9a-f]+", mask) is not None for mask in masks] == [True] * 4
    assert [mask.startswith("***wXyZ-") for mask in masks] == [True, True, False, False]
    assert len({len(mask) for mask in masks[:2]}) == 1
    assert masks[0] != masks[1]


def test_h5_a_raw_body_is_a_download_that_cannot_run(house: House) -> None:
    body = b'{"messages": "<script>alert(1)</script>"}'
    reply = house.ask("/v1/messages", body)
    with house.proxy.client() as client:
        answer = client.get(f"/api/v1/exchanges/{reply.request_id}/bodies/client_request")
    assert answer.content == body
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")


@pytest.mark.parametrize(
    "fields", ["Origin: http://evil.test\r\n", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n"]
)
def test_h6_a_page_of_another_site_reaches_neither_upstream_nor_state(house: House, fields: str) -> None:
    for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
        for path in ("/production/v1/messages", "/sign-out", "/sign-in"):
            for reply in house.both(post(path, b"{}", f"{fields}Content-Type: {kind}\r\n")):
                assert reply.status == 403
    assert house.upstream.seen == []


def test_h6_reading_changes_nothing(house: House, tmp_path: Path) -> None:
    house.ask("/v1/messages")
    before = [house.proxy.rows(f"SELECT count(*) AS n FROM {name}") for name in CAPTURED]
    with house.proxy.client() as client:
        for path in paths(tmp_path):
            client.get(path)
            client.head(path)
    assert [house.proxy.rows(f"SELECT count(*) AS n FROM {name}") for name in CAPTURED] == before


@pytest.mark.parametrize("host", ["evil.test", "evil.test:80", "127.0.0.1.evil.test", "localhost.evil.test"])
def test_h7_a_rebound_name_reaches_no_address_of_either_port(house: House, tmp_path: Path, host: str) -> None:
    for path in {*paths(tmp_path), "/metrics", "/nothing"} - set(PROBES):
        for reply in house.both(get(path, host=host)):
            assert reply.status == 403, path
            assert b"<html" not in reply.body
    assert house.upstream.seen == []


def test_h8_the_link_works_once_the_cookie_is_strict_and_the_token_nowhere(tmp_path: Path) -> None:
    with Upstream().running() as upstream:
        proxy = Proxy(tmp_path, upstream.url)
        with proxy.running():
            link, token, token_file = _link(proxy), proxy.token, Path(proxy.run["token_file"])
            code = link.partition("=")[2]
            assert len(token) >= 32
            assert len(code) >= 22
            assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
            first = httpx.get(link, trust_env=False)
            cookie = first.headers["set-cookie"]
            assert "httponly" in cookie.lower()
            assert "samesite=strict" in cookie.lower()
            assert httpx.get(link, trust_env=False).status_code == 403
            assert first.headers["referrer-policy"] == "same-origin"
            laws.check(proxy)
        assert token not in proxy.said()
        assert proxy.said().count(code) == 1


def test_h8_a_token_of_another_start_still_holds(tmp_path: Path) -> None:
    with Upstream().running() as upstream:
        proxy = Proxy(tmp_path, upstream.url)
        tokens = []
        for _ in range(2):
            with proxy.running():
                tokens.append(proxy.token)
                assert proxy.api("/api/v1/exchanges")["items"] == []
    assert tokens[0] == tokens[1]


@pytest.mark.parametrize("room", ["relay", "inspector"])
@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0"])
def test_h9_listening_for_other_machines_needs_their_names(tmp_path: Path, room: str, address: str) -> None:
    config = tmp_path / "anthropic-proxy.toml"
    config.write_text(f'[{room}]\nlisten = "{address}"\n')
    command = [sys.executable, "-m", "proxy", "serve", "--config", str(config), "--data", str(tmp_path / "data")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert f"{room}.allowed_hosts" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


INJECTIONS = (
    "' OR '1'='1",
    "' OR 1=1 --",
    "1; DROP TABLE exchanges; --",
    "' UNION SELECT sql FROM sqlite_master --",
    "%' OR 'a' LIKE '%",
    "\\' OR 1=1 --",
    "a') OR ('1'='1",
    "x' AND randomblob(1000000000) --",
    "$.a",
    "$[0]' OR '1",
    '" OR ""="',
    "NEAR/2 OR *",
    "{a b}:c",
    "-- ",
    "/*",
    "'||(SELECT 1)||'",
    "\x00' OR 1=1",
    "px_00000000000000000000000000' OR '1'='1",
    "1 OR 1=1",
    "0) UNION ALL SELECT * FROM headers --",
)


def test_h10_no_parameter_is_ever_part_of_a_statement(house: House) -> None:
    """Whatever is asked for finds what is so named, which is nothing, or is refused in a sentence."""
    house.ask("/v1/messages", b'{"model": "claude-sonnet-4-6"}')
    before = house.proxy.rows("SELECT count(*) AS n FROM exchanges")
    names = (
        "model",
        "from",
        "to",
        "status",
        "outcome",
        "endpoint",
        "operation",
        "session_id",
        "key",
        "finish_reason",
        "request_id",
        "before",
        "after",
        "limit",
        "sort",
        "order",
        "fields",
    )
    with house.proxy.client() as client:
        for name in names:
            for injection in INJECTIONS:
                for path in ("/api/v1/exchanges", "/requests", "/requests/rows"):
                    answer = client.get(path, params={name: injection})
                    assert answer.status_code in (200, 303, 400, 404), (path, name, injection)
                    if path.startswith("/api") and answer.status_code == 200:
                        assert answer.json()["items"] == []
        for injection in INJECTIONS:
            assert client.get(f"/api/v1/exchanges/{httpx.QueryParams({'a': injection})}").status_code in (400, 404)
    assert house.proxy.rows("SELECT count(*) AS n FROM exchanges") == before


@pytest.mark.parametrize("statement", ["DELETE FROM exchanges", "PRAGMA query_only = 0; DELETE FROM exchanges"])
def test_h10_what_pages_read_by_can_write_nothing(house: House, statement: str) -> None:
    """Neither as it is nor when a statement switched its own protection off."""
    with (
        Ledger(Folder(house.proxy.data).ledger).read() as conn,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        conn.executescript(statement)


def test_h11_no_filter_is_answered_late(tmp_path: Path) -> None:
    """What takes longer than a second of reading is broken off and refused: the first one would, for many seconds."""
    with Upstream(script=echo).running() as upstream:
        proxy = Proxy(tmp_path, upstream.url)
        with proxy.running():
            row = proxy.exchange(
                ask(proxy.base_url, post("/v1/messages", b'{"model": "' + b"a" * 200 + b'"}')).request_id
            )
            _multiply(proxy, row["request_id"], 60_000)
            hostile = ("a" * 200 + "b", "%a" * 60, "_" * 200, "*a" * 100, "[a-z]" * 50)
            with proxy.client() as client:
                for value in hostile:
                    for query in ({"model": value}, {"session_id": value}, {"key": value}, {"request_id": value}):
                        expected = {400} if query == {"model": hostile[0]} else {200, 400}
                        for path in ("/api/v1/exchanges", "/requests"):
                            begun = time.monotonic()
                            answer = client.get(path, params={**query, "operation": "all"})
                            assert answer.status_code in expected, answer.text
                            assert answer.status_code == 200 or "took longer than 1 s" in answer.text
                            assert time.monotonic() - begun < 3
                for limit in ("0", "-1", "1e9", "999999999999", "50; --"):
                    assert client.get("/api/v1/exchanges", params={"limit": limit}).status_code == 400


def _multiply(proxy: Proxy, request_id: str, count: int) -> None:
    """Writes many copies of a record into the ledger: more than were ever asked, so the laws do not hold there."""
    with contextlib.closing(sqlite3.connect(proxy.data / "ledger.sqlite3", timeout=20)) as conn, conn:
        columns = [row[1] for row in conn.execute("PRAGMA table_info(exchanges)")]
        others = ", ".join(f'"{name}"' for name in columns if name != "request_id")
        conn.execute(
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO exchanges"
            f" (request_id, {others}) SELECT printf('px_%026d', i), {others} FROM n, exchanges WHERE request_id = ?",
            (count, request_id),
        )


@pytest.mark.parametrize(
    "path",
    [
        "/static/../access.py",
        "/static/..%2faccess.py",
        "/static/%2e%2e/access.py",
        "/static//etc/passwd",
        "/static/..%5caccess.py",
        "/static/style.css/..",
        "/static/%2fetc%2fpasswd",
        "/static/style.css%00.js",
        "/static/",
        "/requests/..%2f..%2ftoken",
        "/api/v1/exchanges/..%2ftoken/bodies/client_request",
        "/api/v1/exchanges/px_1/bodies/..%2f..%2ftoken",
        "/api/v1/exchanges.csv/../../token",
        "/static/style.css?v=../../token",
    ],
)
def test_h13_no_name_leads_out_of_its_folder(house: House, path: str) -> None:
    reply = ask(house.proxy.inspector_url, get(path, f"Authorization: Bearer {house.proxy.token}\r\n"))
    assert reply.status in (400, 404) or path.startswith("/static/style.css?")
    assert house.proxy.token.encode() not in reply.body
    assert b"root:" not in reply.body
    assert b"def " not in reply.body


def test_h13_no_file_that_is_served_is_a_link() -> None:
    """What is served was read from this folder at the start; nothing is written, read or imported by a given name."""
    folder = ROOT / "proxy" / "inspector" / "static"
    assert [path.name for path in folder.iterdir() if path.is_symlink() or not path.is_file()] == []


def test_h14_no_cell_is_a_formula_and_json_is_untouched(house: House) -> None:
    formulas = ("=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "a\x00b", "=" + "a" * 200_000)
    ids = [
        house.ask("/v1/messages", json.dumps({"model": model, "say": model[:100]}).encode()).request_id
        for model in formulas
    ]
    with house.proxy.client() as client:
        rows = list(csv.DictReader(io.StringIO(client.get("/api/v1/exchanges.csv").text)))
        lines = [json.loads(line) for line in client.get("/api/v1/exchanges.jsonl").text.splitlines()]
    cells = [
        cell
        for row in rows
        if row["request_id"] in ids
        for name, cell in row.items()
        if name in ("model", "error_message")
    ]
    assert len(cells) == 2 * len(formulas)
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []
    assert max(map(len, cells)) <= 32_001
    assert {line["model"] for line in lines if line["request_id"] in ids} >= set(formulas[:5])


def test_h15_nothing_captured_steers_a_terminal(house: House) -> None:
    """Every call is one line, whatever its model is called and its error says."""
    house.ask("/v1/messages", b'{"model": "the-last-one-before"}')
    wait(lambda: "the-last-one-before" in house.proxy.said(), "what was before to be told")
    before = len(house.proxy.said().splitlines())
    ids = [
        house.ask("/v1/messages", json.dumps({"model": f"{ANSI}{number}", "say": ANSI}).encode()).request_id
        for number in range(5)
    ]
    wait(lambda: len(house.proxy.said().splitlines()) >= before + 5, "a line for each call")
    said = house.proxy.said()
    assert len(said.splitlines()) == before + 5
    assert [char for char in said if not char.isprintable() and char != "\n"] == []
    assert len(ids) == 5


def test_h16_nothing_in_a_request_names_the_host_that_is_asked(house: House) -> None:
    evil = f"127.0.0.1:{house.evil.port}"
    names = (
        "Host2",
        "X-Forwarded-Host",
        "X-Original-URL",
        "X-Rewrite-URL",
        "Forwarded",
        "X-Host",
        "X-Upstream",
        "X-Proxy-Upstream",
        "Base-Url",
    )
    fields = "".join(f"{name}: http://{evil}/\r\n" for name in names)
    body = json.dumps(
        dict.fromkeys(
            ("api_base", "base_url", "url", "endpoint", "proxy", "webhook", "callback_url"), f"http://{evil}/"
        )
        | {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "image", "source": {"type": "url", "url": f"http://{evil}/a.png"}}],
                }
            ]
        }
    ).encode()
    for path in (
        f"/v1/messages?url=http://{evil}/&api_base=http://{evil}",
        f"/http://{evil}/v1/messages",
        f"/@{evil}/",
    ):
        assert house.ask(path, body, fields).status == 200
        assert house.upstream.seen[-1].values(b"host") == [f"127.0.0.1:{house.upstream.port}".encode()]
    with house.proxy.client() as client:
        client.get("/requests", params={"next": f"http://{evil}/"})
        client.get("/sign-in", params={"next": f"//{evil}/"}, follow_redirects=True)
    assert house.evil.connections == 0


def test_h16_every_route_of_both_ports_stands_behind_the_gate(house: House, tmp_path: Path) -> None:
    """A request that only the gate refuses is refused everywhere."""
    for path in {*paths(tmp_path), *PROBES, "/", "/v1/messages", "/production/v1/messages"}:
        for reply in house.both(get(path, "Expect: 200-maybe\r\n")):
            assert reply.status == 417, path
    assert house.upstream.seen == []


@pytest.mark.parametrize("path", PROBES)
def test_h16_the_gate_lets_probes_pass_under_any_name_and_nothing_else_of_them(house: House, path: str) -> None:
    """Orchestrators know a machine by names of their own; whoever is not asking whether it lives is not let in."""
    for method in ("GET", "HEAD"):
        assert [reply.status for reply in house.both(get(path, host="10.0.0.7:80", method=method))] == [200, 200]
        for bad in ("Content-Length: 0x3\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"):
            assert [reply.status for reply in house.both(get(path, bad, method=method))] == [400, 400]
        assert [reply.status for reply in house.both(get(path, "Upgrade: h2c\r\n", method=method))] == [426, 426]
        origin = "Origin: http://evil.test\r\n"
        assert [reply.status for reply in house.both(get(path, origin, method=method))] == [403, 403]
    assert [reply.status for reply in house.both(post(path, b"{}", host="10.0.0.7:80"))] == [403, 403]
    assert [reply.status for reply in house.both(post(path, b"{}"))] == [404, 403]
    assert house.upstream.seen == []


@pytest.mark.parametrize(
    "path", ["/metrics", "/requests", "/api/v1/exchanges", "/sign-in", "/openapi.json", "/static/style.css"]
)
def test_h17_the_relay_port_has_no_pages(house: House, path: str) -> None:
    """What no endpoint is named for is not found; below an endpoint it is the upstream's."""
    for spelled in (path, path.replace("/", "/%2F", 1), "/v1" + path):
        assert ask(house.proxy.base_url, get(spelled)).status == 404
    assert ask(house.proxy.base_url, get(f"/production/v1/%2e%2e{path}")).status == 400
    assert house.upstream.seen == []
    assert ask(house.proxy.base_url, get(f"/production{path}")).status == 200
    assert house.upstream.seen[-1].line == f"GET {path} HTTP/1.1".encode()


def test_h18_no_code_asks_a_request_for_its_address() -> None:
    """It is made of the Host header, which the client chooses."""
    words = ("url", "base_url", "url_for")
    found = [
        f"{path.name}:{node.lineno}"
        for path in (ROOT / "proxy").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in words
        and ast.unparse(node.value) in ("request", "self.request")
    ]
    templates = [
        path.name
        for path in (ROOT / "proxy").rglob("*.html")
        if re.search(r"\burl_for\b|request\.", path.read_text("utf-8"))
    ]
    assert (found, templates) == ([], [])


def test_h19_guessing_is_refused_counted_and_stopped(tmp_path: Path) -> None:
    with Upstream().running() as upstream:
        proxy = Proxy(tmp_path, upstream.url)
        with proxy.running():
            wrong, right = ({"authorization": f"Bearer {token}"} for token in ("x" * 32, proxy.token))
            signed_in = httpx.get(_link(proxy), trust_env=False).cookies
            with httpx.Client(base_url=proxy.inspector_url, headers=wrong, trust_env=False) as client:
                statuses = [client.get("/api/v1/exchanges").status_code for _ in range(40)]
            assert statuses[0] == 401
            assert statuses[-1] == 429
            assert set(statuses) == {401, 429}
            assert httpx.get(f"{proxy.inspector_url}/metrics", headers=right, trust_env=False).status_code == 200
            with httpx.Client(base_url=proxy.inspector_url, cookies=signed_in, trust_env=False) as client:
                counted = re.compile(rf"^proxy_\w*auth_failures\w*(?:{{.*}})? {len(statuses)}(?:\.0)?$", re.MULTILINE)
                wait(lambda: counted.search(client.get("/metrics").text), "the failures to be counted")


def _link(proxy: Proxy) -> str:
    """The link that is printed at start."""
    found = re.search(r"http://[\w.:]+/sign-in\?code=[\w-]+", proxy.said())
    assert found is not None
    return found[0]


def test_h19_secrets_are_compared_in_constant_time() -> None:
    tokens = ast.parse((ROOT / "proxy" / "inspector" / "tokens.py").read_text("utf-8"))
    [same] = [node for node in tokens.body if isinstance(node, ast.FunctionDef) and node.name == "same"]
    assert "hmac.compare_digest" in ast.unparse(same)
    access = (ROOT / "proxy" / "inspector" / "access.py").read_text("utf-8")
    assert "self._token ==" not in access
    assert "== self._token" not in access


def test_h20_locks_have_hashes_and_packages_are_few() -> None:
    locked = (ROOT / "requirements.txt").read_text("utf-8")
    assert len(re.findall(r"^[a-z0-9-]+==", locked, re.MULTILINE)) <= 40
    for lock in ROOT.glob("requirements*.txt"):
        entries = re.split(r"\n(?=[a-z0-9])", lock.read_text("utf-8"))
        assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
        assert not re.search(r"^litellm", lock.read_text("utf-8"), re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert len(project["dependencies"]) <= 25


def test_h20_the_wheel_holds_the_package_and_nothing_that_runs_by_itself(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    [wheel] = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"proxy", wheel.name.rpartition("-py3")[0] + ".dist-info"}
    kinds = {Path(name).suffix for name in names if name.startswith("proxy/")}
    assert kinds <= {".py", ".html", ".css", ".js", ".svg", ".sql", ".json", ".toml", ".md", ".txt"}
    assert ".pth" not in kinds
    assert "proxy/inspector/static/style.css" in names


def test_h22_no_secret_of_the_environment_is_told(tmp_path: Path) -> None:
    """Neither by commands nor in arguments of processes nor when the settings are wrong."""
    secret = f"Bearer {laws.CANARY}"
    env = {"OTEL_EXPORTER_OTLP_HEADERS": f"authorization={secret}", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    with Upstream().running() as upstream:
        proxy = Proxy(tmp_path, upstream.url, env=env)
        with proxy.running():
            token = proxy.token
            arguments = [
                " ".join(process.cmdline())
                for process in (psutil.Process(pid) for pid in proxy.run["processes"].values())
            ]
            said = [_command(proxy, env, *words) for words in (("config", "show"), ("doctor",), ("config", "check"))]
        wrong = _command(proxy, {**env, "ANTHROPIC_PROXY_RELAY_WORKERS": "many"}, "config", "show")
    for text in (*arguments, *said, wrong, proxy.said()):
        assert laws.CANARY not in text
        assert token not in text


def _command(proxy: Proxy, env: dict[str, str], *words: str) -> str:
    command = [sys.executable, "-m", "proxy", *words, "--config", str(proxy.config)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env}, timeout=60, check=False)
    return done.stdout + done.stderr
