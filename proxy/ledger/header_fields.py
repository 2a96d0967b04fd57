"""Header fields as clients and providers send them: what stored headers are compressed against.

Ledgers hold what was compressed by it: it is never changed. The most usual stands last, where references are shortest.
"""

from __future__ import annotations

USUAL = (
    b'["openai-version","2020-10-01"],["openai-organization","org-"],["openai-processing-ms","["openai-project","proj_'
    b'["x-ratelimit-limit-requests","10000"],["x-ratelimit-limit-tokens","2000000"],["x-ratelimit-remaining-requests",'
    b'"9999"],["x-ratelimit-remaining-tokens","1999"],["x-ratelimit-reset-requests","6ms"],["x-ratelimit-reset-tokens",'
    b'"0s"],["x-request-id","req_"],["alt-svc","h3=\\":443\\"; ma=86400"],["user-agent","OpenAI/Python 2.'
    b'["user-agent","Anthropic/Python 0.["x-stainless-lang","python"],["x-stainless-runtime","CPython"],'
    b'["x-stainless-runtime-version","3.13.["x-stainless-async","false"],["x-stainless-async","async:asyncio"],'
    b'["x-stainless-read-timeout","600"],["connection","keep-alive"],["accept-language","*"],["sec-fetch-mode","cors"],'
    b'["x-stainless-helper-method","stream"],["accept","*/*"],["accept","text/event-stream"],["cookie","***'
    b'["anthropic-ratelimit-requests-limit","4000"],["anthropic-ratelimit-requests-remaining","3999"],'
    b'["anthropic-ratelimit-requests-reset","2026-11-21T12:00:00Z"],["anthropic-ratelimit-input-tokens-limit","2000000"],'
    b'["anthropic-ratelimit-input-tokens-remaining","1999000"],["anthropic-ratelimit-input-tokens-reset","2026-'
    b'["anthropic-ratelimit-output-tokens-limit","400000"],["anthropic-ratelimit-output-tokens-remaining","399000"],'
    b'["anthropic-ratelimit-output-tokens-reset","2026-["anthropic-ratelimit-tokens-limit","2400000"],'
    b'["anthropic-ratelimit-tokens-remaining","2390000"],["anthropic-ratelimit-tokens-reset","2026-["retry-after","'
    b'["x-should-retry","true"],["x-proxy-error","["server-timing","x-originResponse;dur=["content-encoding","gzip"],'
    b'["vary","Accept-Encoding"],["transfer-encoding","chunked"],["Transfer-Encoding","chunked"],["Connection","keep-alive"],'
    b'{"client_request":[["host","127.0.0.1:8080"],["accept","application/json"],["x-stainless-retry-count","0"],'
    b'["x-stainless-timeout","600"],["x-stainless-lang","js"],["x-stainless-package-version","0.70.0"],'
    b'["x-stainless-os","Linux"],["x-stainless-os","MacOS"],["x-stainless-arch","x64"],["x-stainless-arch","arm64"],'
    b'["x-stainless-runtime","node"],["x-stainless-runtime-version","v24.3.0"],'
    b'["anthropic-dangerous-direct-browser-access","true"],["anthropic-version","2023-06-01"],["x-app","cli"],'
    b'["user-agent","claude-cli/2.1.0 (external, cli)"],["content-type","application/json"],'
    b'["accept-encoding","gzip, deflate, br, zstd"],["authorization","Bearer ***["x-api-key","***'
    b'["anthropic-beta","claude-code-20250219,oauth-2025-04-20,interleaved-thinking-2025-05-14,'
    b"context-management-2025-06-27,prompt-caching-scope-2026-01-05,thinking-token-count-2026-05-13,"
    b'advanced-tool-use-2025-11-20,effort-2025-11-24,extended-cache-ttl-2025-04-11"],["x-claude-code-session-id","'
    b'["x-claude-code-request-class","main"],["x-claude-code-agent-id","["x-claude-code-parent-agent-id","'
    b'["content-length","1"]],"upstream_request":"client_request","upstream_response":[["Date","Sat, 21 Nov 2026'
    b' 12:00:00 GMT"],["Content-Type","application/json"],["Content-Type","text/event-stream; charset=utf-8"],'
    b'["Content-Length","1"],["Cache-Control","no-cache"],["Server","cloudflare"],["CF-RAY","0-FRA"],'
    b'["set-cookie","_cfuvid=***["set-cookie","***-"],["request-id","req_011C"],["anthropic-organization-id","'
    b'["anthropic-ratelimit-unified-status","allowed"],["anthropic-ratelimit-unified-5h-status","allowed"],'
    b'["anthropic-ratelimit-unified-5h-reset","1795280000"],["anthropic-ratelimit-unified-5h-utilization","0.1"],'
    b'["anthropic-ratelimit-unified-7d-status","allowed"],["anthropic-ratelimit-unified-7d-reset","1795280000"],'
    b'["anthropic-ratelimit-unified-7d-utilization","0.1"],'
    b'["anthropic-ratelimit-unified-representative-claim","five_hour"],'
    b'["anthropic-ratelimit-unified-fallback-percentage","0.5"],["anthropic-ratelimit-unified-reset","1795280000"],'
    b'["anthropic-ratelimit-unified-overage-disabled-reason","org_level_disabled"],'
    b'["anthropic-ratelimit-unified-overage-status","rejected"],'
    b'["strict-transport-security","max-age=31536000; includeSubDomains; preload"],["x-envoy-upstream-service-time","1'
    b'["via","1.1 google"],["cf-cache-status","DYNAMIC"],["X-Robots-Tag","none"]],"client_response":'
    b'[["x-proxy-request-id","px_01"]],"client_response":"upstream_response"}'
)
