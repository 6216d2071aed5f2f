"""The help about findings: complete, as it is generated, and without a network."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from MedAssistLib.check.help import help_page, prose
from MedAssistLib.check.rules import rule_kinds
from Testing.conftest import REPOSITORY

if TYPE_CHECKING:
    from Testing.panel_bench import Bench

pytest_plugins = ("Testing.panel_bench",)

MODULE = REPOSITORY / "MedAssist"
PAGE = MODULE / "Resources" / "Help" / "check.html"


def test_every_rule_has_its_page() -> None:
    """A finding would be shown that nobody can look up."""
    written = prose()
    for name in rule_kinds():
        words = written[name]
        assert {"name", "why", "fires", "quiet"} == set(words), name
        assert all(len(text) > 3 and text == text.strip() for text in words.values()), name
    titles = [words["name"] for words in written.values()]
    assert len(set(titles)) == len(titles)
    without_rule = set(written) - set(rule_kinds())
    assert all({"looks_for", "advice"} <= set(written[name]) for name in without_rule)


def test_the_page_says_what_the_rules_say() -> None:
    """Written by: python -m MedAssistLib.check.help MedAssist/Resources/Help/check.html."""
    text = PAGE.read_text("utf-8")
    assert text == help_page()
    for name, rule in rule_kinds().items():
        section = text.split(f'<a name="{name}"></a>')[1].split("<h2>")[0]
        for said in (rule.looks_for, rule.advice, prose()[name]["why"]):
            assert said.replace("'", "&#x27;").replace('"', "&quot;") in section, name


def test_it_needs_no_network_and_is_packaged() -> None:
    """In a hospital's closed network the page would be empty, or missing in the package."""
    assert not re.findall(r"https?://|src=", PAGE.read_text("utf-8"))
    listed = (MODULE / "CMakeLists.txt").read_text("utf-8")
    assert "Resources/Help/check.html" in listed


def test_the_button_opens_the_page_at_the_finding_at_hand(bench: Bench) -> None:
    import slicer

    from Testing.panel_check_cases import add_body, choose, island, run_check

    add_body(bench, 1)
    run_check(bench)
    check = bench.panel.check
    choose(bench, island(bench, 0))
    check.ui.meaning.click()
    window, browser = check.review.meaning.window, check.review.meaning.browser
    assert window.visible
    assert "away from the rest" in browser.toPlainText()
    place = browser.verticalScrollBar().value
    assert place > 0
    other = next(e for e in check.review.entries if e["rule"] != "geometry.islands")
    choose(bench, other)
    check.ui.meaning.click()
    assert check.review.meaning.window is window
    assert browser.verticalScrollBar().value != place
    bench.panel.close()
    assert check.review.meaning.window is None
    assert PAGE.as_uri() in slicer.modules.MedAssistInstance.parent.helpText
