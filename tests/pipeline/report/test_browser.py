"""The report in a real browser: nothing is fetched or logged, it fits a phone, and anybody can use it."""

from __future__ import annotations

import pytest

HOSTILE = "hostile_report"


@pytest.fixture
def open_report(browser):
    """Open a report; gives the page, what it logged and what it fetched."""
    contexts = []

    def open_it(report, *, width=1200, scheme="light", script=True):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=script
        )
        contexts.append(context)
        page, logged, fetched = context.new_page(), [], []
        page.on("console", lambda message: logged.append(message.text))
        page.on("pageerror", lambda error: logged.append(str(error)))
        page.on("request", lambda request: fetched.append(request.url))
        page.on("dialog", lambda dialog: (logged.append(dialog.message), dialog.dismiss()))
        page.goto(report.path.as_uri())
        return page, logged, fetched

    yield open_it
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1200])
@pytest.mark.parametrize("name", ["second_report", HOSTILE, "words_report"])
def test_nothing_is_fetched_logged_or_cut_off(open_report, request, name, width, scheme):
    report = request.getfixturevalue(name)
    page, logged, fetched = open_report(report, width=width, scheme=scheme)
    page.wait_for_selector(".controls:not([hidden])")
    assert logged == []
    assert fetched == [report.path.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) > 384) == (scheme == "light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_anybody_can_use_it(open_report, second_report, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page, _, _ = open_report(second_report, scheme=scheme)
    page.wait_for_selector(".controls:not([hidden])")
    page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    results = axe.Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_names_on_a_map_come_up_under_the_pointer_and_by_search(open_report, hostile_report):
    page, logged, _ = open_report(hostile_report)
    view = page.locator(".map .view").first
    view.scroll_into_view_if_needed()
    point = page.evaluate("""() => {
        const view = document.querySelector(".map .view").getBoundingClientRect();
        const [x, y, , name] = JSON.parse(document.querySelector("#map-data-track").textContent).points[0];
        return {x: view.left + x * view.width / 1000, y: view.top + y * view.width / 1000, name};
    }""")
    page.mouse.move(point["x"], point["y"])
    tip = page.locator(".map .tip").first
    assert tip.is_visible()
    assert tip.inner_text() == point["name"]
    page.get_by_label("Find").first.fill("ALERT(1)")
    assert page.locator(".map output").first.inner_text() == "18 found"
    assert page.locator(".map .found").count() == 18
    assert logged == []


def test_a_map_zooms_by_keyboard_and_buttons(open_report, second_report):
    page, _, _ = open_report(second_report)
    points = page.locator(".map .points").first
    page.locator(".map .view").first.focus()
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    assert "scale(1.6)" in points.get_attribute("transform")
    page.get_by_role("button", name="Zoom in").first.click()
    assert "scale(2.56" in points.get_attribute("transform")
    page.get_by_role("button", name="Reset").first.click()
    assert "scale(1)" in points.get_attribute("transform")


def test_without_script_the_map_has_its_names(open_report, second_report):
    page, _, _ = open_report(second_report, script=False)
    assert not page.locator(".controls").first.is_visible()
    labels = page.locator(".map .labels text").all_text_contents()
    assert any("Title" in label for label in labels)
