"""What each process is made of: one composing function per process, in a module of its own, so that a relay never
loads what only the observer needs."""
