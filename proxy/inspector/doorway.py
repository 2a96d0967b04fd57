"""Signing in and out: the one-time link, the form for the token, the cookie."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from proxy.inspector.access import Access, address, local_path
from proxy.inspector.rendering import Renderer
from proxy.inspector.tokens import SESSION_SECONDS, SignInCode

_SPENT = "This link does not sign in (any more): each start prints a new one, and each works once."
_WRONG = "That is not the API token."


class Doorway:
    """The endpoints /sign-in and /sign-out."""

    def __init__(self, access: Access, code: SignInCode, renderer: Renderer, token_file: Path) -> None:
        self._access = access
        self._code = code
        self._renderer = renderer
        self._token_file = token_file

    def form(self, request: Request) -> Response:
        """`GET /sign-in`: the form, or with `code` the one act that a link may do; browsers that look ahead do not."""
        there = local_path(request.query_params.get("next", "/"))
        if self._access.session(request.headers) is not None:
            return RedirectResponse(there, 303)
        given = request.query_params.get("code")
        if given is None or request.method != "GET" or "prefetch" in request.headers.get("sec-purpose", ""):
            return self._form(there)
        if self._code.spend(given):
            # No redirect: on a navigation that another site began, a strict cookie would not be sent along.
            return self._admitted(request, self._renderer.page("signed_in.html", {"next": there}, signed_in=False))
        self._access.failed(address(request.scope))
        return self._access.too_many(address(request.scope)) or self._form(there, _SPENT, 403)

    async def sign_in(self, request: Request) -> Response:
        """`POST /sign-in` with the token from the form."""
        fields = _fields(await request.body())
        there = local_path(fields.get("next", ["/"])[0])
        if self._access.token_is(fields.get("token", [""])[0].strip(), address(request.scope)):
            return self._admitted(request, RedirectResponse(there, 303))
        return self._access.too_many(address(request.scope)) or self._form(there, _WRONG, 403)

    async def sign_out(self, request: Request) -> Response:
        """`POST /sign-out`: this browser only."""
        session = self._access.session(request.headers)
        if session is not None:
            self._access.sessions.close(session)
        answer = RedirectResponse("/sign-in", 303)
        answer.delete_cookie(self._access.cookie)
        return answer

    def _form(self, there: str, problem: str | None = None, status: int = 200) -> Response:
        shown = {"next": there, "problem": problem, "token_file": self._token_file}
        return self._renderer.page("sign_in.html", shown, status=status, signed_in=False)

    def _admitted(self, request: Request, answer: Response) -> Response:
        answer.set_cookie(
            self._access.cookie,
            self._access.sessions.open(),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="strict",
            secure=request.scope.get("scheme") == "https",
        )
        return answer


def _fields(form: bytes) -> dict[str, list[str]]:
    """The fields of a posted form; none of one that no page of ours has sent."""
    try:
        return parse_qs(form.decode("utf-8", "replace"), max_num_fields=10)
    except ValueError:
        return {}
