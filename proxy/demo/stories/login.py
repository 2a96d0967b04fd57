"""A login page that redirects for ever: parallel reads, an edit, a failing and a passing test run."""

from __future__ import annotations

from proxy.demo.stories.story import Call, Chapter, Step, Story

_FOLDER = "/home/dev/shopfront"

_GREP = Call(
    "Grep",
    {"pattern": "redirect_to_login", "path": "shopfront", "output_mode": "content"},
    "shopfront/auth/middleware.py:41:        return redirect_to_login(request.url)\n"
    "shopfront/auth/middleware.py:58:        return redirect_to_login(request.url)\n"
    "shopfront/auth/views.py:17:def redirect_to_login(next_url: str) -> Response:\n"
    "shopfront/auth/views.py:63:    return redirect_to_login(url_for('account'))",
)
_GLOB = Call(
    "Glob",
    {"pattern": "tests/auth/**/*.py"},
    "tests/auth/conftest.py\ntests/auth/test_login.py\ntests/auth/test_session_expiry.py",
)
_READ_MIDDLEWARE = Call("Read", {"file_path": f"{_FOLDER}/shopfront/auth/middleware.py"}, listing_lines=140)
_READ_SESSIONS = Call("Read", {"file_path": f"{_FOLDER}/shopfront/auth/sessions.py"}, listing_lines=210)
_READ_TEST = Call("Read", {"file_path": f"{_FOLDER}/tests/auth/test_session_expiry.py"}, listing_lines=90)
_EDIT = Call(
    "Edit",
    {
        "file_path": f"{_FOLDER}/shopfront/auth/middleware.py",
        "old_string": "    if session is None or session.expired():\n        return redirect_to_login(request.url)",
        "new_string": "    if session is not None and session.expired():\n"
        "        sessions.drop(session.key)\n"
        "        session = None\n"
        "    if session is None and not request.path.startswith(LOGIN_PATH):\n"
        "        return redirect_to_login(request.url)",
    },
    "The file /home/dev/shopfront/shopfront/auth/middleware.py has been updated.",
)
_RUN_FAILING = Call(
    "Bash",
    {"command": "python -m pytest tests/auth -q", "description": "Run the authentication tests"},
    "....F..........\n"
    "FAILED tests/auth/test_session_expiry.py::test_expired_session_reaches_login - NameError: name 'LOGIN_PATH'"
    " is not defined\n1 failed, 14 passed in 2.31s",
    fails=True,
)
_EDIT_IMPORT = Call(
    "Edit",
    {
        "file_path": f"{_FOLDER}/shopfront/auth/middleware.py",
        "old_string": "from shopfront.auth.views import redirect_to_login",
        "new_string": "from shopfront.auth.views import LOGIN_PATH, redirect_to_login",
    },
    "The file /home/dev/shopfront/shopfront/auth/middleware.py has been updated.",
)
_RUN_PASSING = Call(
    "Bash",
    {"command": "python -m pytest tests/auth -q", "description": "Run the authentication tests again"},
    "...............\n15 passed in 2.18s",
)

_REPAIR = Chapter(
    prompt="After the session cookie expires, the login page redirects to itself for ever. Find out why and fix it.",
    steps=(
        Step(
            "A redirect loop on the login page means the guard also runs for the login page itself. I should look at "
            "where the redirect is issued and which tests cover expiry before changing anything.",
            "I'll look for every place that sends people to the login page, and for the tests around it.",
            (_GREP, _GLOB),
        ),
        Step(
            "Two call sites in the middleware. The condition probably treats an expired session like a missing one "
            "but never removes the cookie, so the next request is expired again. Reading the middleware, the session "
            "store and the expiry test at once is cheaper than one after the other.",
            "Two suspicious call sites in the middleware. I'll read it together with the session store and the test.",
            (_READ_MIDDLEWARE, _READ_SESSIONS, _READ_TEST),
        ),
        Step(
            "Confirmed: `session.expired()` is checked before the path is, and the expired session stays in the "
            "store. The smallest repair drops the expired session and exempts the login path.",
            "The guard checks for expiry before it looks at the path, and the expired session is never dropped. "
            "I'll change both.",
            (_EDIT,),
        ),
        Step("", "Now the tests.", (_RUN_FAILING,)),
        Step("I used a constant without importing it.", "I forgot the import.", (_EDIT_IMPORT, _RUN_PASSING)),
    ),
    thought="All 15 tests pass. I should say what was wrong, what changed, and what I did not touch.",
    answer="The loop is gone. ✅\n\n**Cause.** The middleware treated an expired session like a missing one and sent "
    "the browser to the login page, but the guard ran for the login page as well, and the expired session stayed in "
    "the store. Every request was therefore “expired” again.\n\n**Change** (`shopfront/auth/middleware.py`)\n\n"
    "1. An expired session is dropped from the store at once.\n"
    "2. The login path itself is no longer guarded.\n\n"
    "All 15 tests in `tests/auth` pass. I left the cookie's lifetime alone: it is set in `settings.toml` and nothing "
    "suggests that it is wrong.",
)
_REGRESSION = Chapter(
    prompt="Good. Add a test that would have caught it.",
    steps=(
        Step(
            "The test must fail on the old code: follow redirects with an expired cookie and assert that the login "
            "page answers 200.",
            "I'll add one beside the existing expiry tests.",
            (
                Call(
                    "Edit",
                    {
                        "file_path": f"{_FOLDER}/tests/auth/test_session_expiry.py",
                        "old_string": "def test_expired_session_reaches_login(",
                        "new_string": "def test_login_page_answers_an_expired_session(client, expired_cookie):\n"
                        '    answer = client.get("/login", cookies=expired_cookie)\n'
                        "    assert answer.status_code == 200\n"
                        "    assert answer.history == []\n\n\n"
                        "def test_expired_session_reaches_login(",
                    },
                    "The file /home/dev/shopfront/tests/auth/test_session_expiry.py has been updated.",
                ),
                Call(
                    "Bash",
                    {"command": "git stash push shopfront -q && python -m pytest tests/auth -q; git stash pop -q"},
                    "F...............\nFAILED tests/auth/test_session_expiry.py::"
                    "test_login_page_answers_an_expired_session - TooManyRedirects\n1 failed, 15 passed in 2.40s",
                ),
            ),
        ),
    ),
    answer="Added `test_login_page_answers_an_expired_session`. I checked it against the old middleware, where it "
    "fails with `TooManyRedirects`; with the repair all 16 tests pass.",
)

LOGIN = Story("Fix endless login redirect", _FOLDER, (_REPAIR, _REGRESSION))
