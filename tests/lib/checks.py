# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests in Python say: which functions they are, and what must be so."""
tests = []


def test(function):
    """Its name, with dashes, is what it shows to be so."""
    tests.append((function.__name__.replace("_", "-"), function))
    return function


class Skip(Exception):
    pass


def equal(got, wanted, what=""):
    assert got == wanted, f"{what}\n--- got\n{got}\n--- wanted\n{wanted}"


def has(text, *parts):
    for part in parts:
        assert part in text, f"no {part!r} in:\n{text}"


def has_not(text, *parts):
    for part in parts:
        assert part not in text, f"{part!r} in:\n{text}"
