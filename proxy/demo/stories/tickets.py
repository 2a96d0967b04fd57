"""A support inbox, sorted by a script."""

from __future__ import annotations

from proxy.demo.stories.story import Ticket

TICKETS: tuple[Ticket, ...] = (
    Ticket(
        "I was charged twice for October. Invoice numbers 2291 and 2294 have the same amount.",
        "billing", "high", "Customer was invoiced twice for October.",
    ),
    Ticket(
        "The export button does nothing on my tablet. On the laptop it works.",
        "bug", "normal", "Export does not start on a tablet.",
    ),
    Ticket(
        "Could you add dark mode to the calendar? The rest of the pages have it.",
        "feature", "low", "Wish for a dark calendar.",
    ),
    Ticket(
        "Since this morning nobody in our office can sign in. The page says “unknown tenant”.",
        "outage", "urgent", "A whole office cannot sign in: unknown tenant.",
    ),
    Ticket(
        "Wie kann ich mein Konto auf eine andere E-Mail-Adresse umstellen? Danke und schöne Grüße",
        "question", "normal", "Customer wants to change the e-mail address of the account.",
    ),
    Ticket(
        "Please delete all my data and confirm it in writing.",
        "privacy", "high", "Request for deletion of personal data.",
    ),
    Ticket(
        "The weekly summary mail arrives in English although my language is set to Polish.",
        "bug", "low", "Weekly mail ignores the language setting.",
    ),
    Ticket(
        "Your API answers 403 to our key since we moved to the new plan.",
        "bug", "high", "API key refused after a change of plan.",
    ),
)  # fmt: skip
