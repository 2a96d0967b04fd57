"""What is known of requests: read once, whatever is asked of it."""

from __future__ import annotations

from proxy.reading.redaction.scan import Scanner
from proxy.reading.request import RequestFacts, request_facts
from proxy.relay.asking import Requests
from proxy.relay.parts import Parts, Try
from tests.relay.test_finish import captured


def test_a_request_is_read_once_and_only_when_asked() -> None:
    read: list[RequestFacts] = []

    def reading(**named: object) -> RequestFacts:
        read.append(request_facts(**named))  # type: ignore[arg-type]
        return read[-1]

    parts, capture = Parts(request_facts=reading), captured()
    requests = Requests(process="p1", salt=b"salt", scanner=Scanner({}), parts=parts, trying=Try(lambda: None))
    assert requests.accepted(capture)["path"] == "/production/v1/messages"
    assert read == []
    first = requests.asked(capture)
    assert (first.said["model"], first.said["workflow"], first.said["parse_error"]) == (
        "claude-sonnet-4-6",
        "nightly",
        None,
    )
    assert requests.asked(capture) is first
    assert len(read) == 1


def test_a_request_that_cannot_be_read_says_so_and_nothing_else() -> None:
    failures: list[int] = []

    def failing(**_: object) -> RequestFacts:
        raise ZeroDivisionError

    parts, trying = Parts(request_facts=failing), Try(lambda: failures.append(1))
    said = Requests(process="p1", salt=b"salt", scanner=Scanner({}), parts=parts, trying=trying).asked(captured()).said
    assert (said["parse_error"], said["model"], failures) == ("internal", None, [1])
