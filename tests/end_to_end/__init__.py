"""The whole product as its users run it: real client, real processes, built-in upstream, real receiver."""
