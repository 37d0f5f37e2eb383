"""The page in a real browser: typed into, clicked through, shared, narrow, and heard."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 375, "height": 700}
TASTE = "/?at=artist:3&like=artist:3&like=track:t006&dislike=artist:1&for=track"


@pytest.fixture(scope="module")
def server(published, start_server):
    with start_server(published.config) as (url, _):
        yield url


@pytest.fixture
def open_page(browser):
    """Open pages that may complain of nothing, and ask nobody but their own server."""
    contexts, complaints = [], []

    def open_at(url, *, viewport=WIDE, color_scheme="light"):
        context = browser.new_context(viewport=viewport, color_scheme=color_scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        origin = "/".join(url.split("/")[:3]) + "/"
        page.on("request", lambda request: None if request.url.startswith(origin) else complaints.append(request.url))
        page.goto(url)
        expect(page.locator("main > section").first).to_be_visible()
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert complaints == []


def test_type_pick_and_click_through(server, open_page):
    page = open_page(server)
    page.keyboard.press("/")
    box = page.get_by_role("combobox", name="Name or id")
    expect(box).to_be_focused()
    page.keyboard.type("wierd artis 7")
    options = page.locator("#search-results [role=option]")
    expect(options.first).to_contain_text('"Weird" Artist 7')
    page.keyboard.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    assert box.get_attribute("aria-activedescendant") == options.first.get_attribute("id")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text('"Weird" Artist 7')
    assert page.url == f"{server}/?at=artist:7"
    expect(page.get_by_role("tab", name="Similar artists")).to_have_attribute("aria-selected", "true")
    expect(page.locator("main .ranked li")).to_have_count(11)
    page.locator("main .ranked a").first.click()
    expect(page.get_by_role("heading", level=1)).not_to_contain_text("Artist 7")
    page.get_by_role("tab", name="Tracks").click()
    expect(page.locator("main .ranked a").first).to_contain_text("Title")
    assert page.url.endswith("&list=track")
    page.go_back()
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_contain_text('"Weird" Artist 7')


def test_escape_empties_the_search_and_nothing_found_is_said(server, open_page):
    page = open_page(server)
    box = page.get_by_role("combobox", name="Name or id")
    box.fill("xqzzyw")
    expect(page.locator("#status")).to_have_text("Nothing found")
    expect(box).to_have_attribute("aria-expanded", "false")
    box.fill("title")
    page.get_by_role("combobox", name="What to search for").select_option("track")
    box.fill("titel 1")
    expect(page.locator("#search-results [role=option]").first).to_contain_text("Title 1")
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(box).to_have_value("")


def test_a_taste_is_built_shared_and_explained(server, open_page):
    page = open_page(f"{server}/?at=artist:3")
    page.get_by_role("button", name='Add to your taste: "Weird" Artist 3').click()
    taste = page.get_by_role("complementary", name="Your taste")
    expect(taste.locator(".chip")).to_have_count(1)
    expect(taste.locator(".ranked li")).to_have_count(11)
    page.locator("main .ranked .rate.dislike").first.click()
    expect(taste.locator(".chip.dislike")).to_have_count(1)
    expect(page.locator("main .ranked .rate.dislike").first).to_have_attribute("aria-pressed", "true")
    taste.get_by_role("tab", name="Tracks").click()
    expect(taste.locator(".ranked a").first).to_contain_text("Title")
    taste.get_by_role("button", name=re.compile("^Why ")).first.click()
    expect(taste.locator(".because .shares li")).to_have_count(2)
    expect(taste.locator(".because")).to_contain_text("Together")
    listed = taste.locator(".ranked > li > .row a").all_inner_texts()

    shared = open_page(page.url)
    again = shared.get_by_role("complementary", name="Your taste")
    expect(again.locator(".chip")).to_have_count(2)
    assert again.locator(".ranked > li > .row a").all_inner_texts() == listed
    again.get_by_role("button", name=re.compile("is subtracted; add it instead")).click()
    expect(again.locator(".chip.like")).to_have_count(2)
    again.get_by_role("button", name="Clear your taste").click()
    expect(again.locator(".chip")).to_have_count(0)
    assert shared.url == f"{server}/?at=artist:3"
    shared.go_back()
    expect(again.locator(".chip.like")).to_have_count(2)


def test_the_keyboard_does_it_all(server, open_page):
    page = open_page(f"{server}/?at=artist:3")
    page.get_by_role("tab", name="Similar artists").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Tracks")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("tab", name="Tracks")).to_be_focused()
    page.keyboard.press("End")
    expect(page.get_by_role("tab", name="Map")).to_be_focused()
    page.keyboard.press("Home")
    expect(page.get_by_role("tab", name="Similar artists")).to_be_focused()
    expect(page.locator("main .ranked a").first).to_contain_text("Artist")
    page.locator("main .ranked a").first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("main .ranked a").nth(1)).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".chip.like")).to_have_count(1)


def test_the_map(server, open_page):
    page = open_page(f"{server}/?at=artist:3&list=map")
    frame = page.get_by_role("application", name=re.compile("Map of artists"))
    box = frame.bounding_box()
    painted = frame.locator("canvas").evaluate(
        "(c) => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((value) => value > 0)"
    )
    assert painted
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Show all").click()
    frame.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    said = page.locator(".map [role=status]")
    expect(said).to_contain_text("Artist")
    expect(page.locator(".tip")).to_be_visible()
    pointed = said.text_content()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(pointed)
    page.mouse.move(box["x"] + 50, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 90, box["y"] + 70, steps=4)
    page.mouse.up()
    expect(page.get_by_role("heading", level=1)).to_have_text(pointed)


def test_why_a_user_gets_it(server, open_page):
    page = open_page(f"{server}/?at=user:1004&list=track")
    page.get_by_role("button", name=re.compile("^Why Title")).first.click()
    expect(page.locator("main .because")).to_contain_text("as it was fitted")
    expect(page.locator("main .because .shares li").first).to_contain_text("Title")


@pytest.mark.parametrize("path", ["/", "/?at=artist:3", TASTE, "/?at=artist:3&list=map", "/?at=user:1004&list=track"])
def test_a_narrow_screen(server, open_page, path):
    page = open_page(server + path, viewport=NARROW)
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"]


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", TASTE, "/?at=artist:3&list=map", "/?at=nobody:1"])
def test_accessibility(server, browser, path, color_scheme):
    with browser.new_context(color_scheme=color_scheme) as context:
        page = context.new_page()
        page.goto(server + path)
        page.wait_for_load_state("networkidle")
        if path == TASTE:
            page.locator("aside .why").first.click()
            page.locator("#search-text").fill("weird")
            expect(page.locator(".because .shares")).to_be_visible()
            expect(page.locator("#search-results [role=option]").first).to_be_visible()
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


def test_what_is_not_there_is_said(server, browser):
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{server}/?at=artist:999&like=artist:998")
        expect(page.locator("main [role=alert]")).to_contain_text("no artist has the id '999'")
        expect(page.locator("aside [role=alert]")).to_contain_text("no artist has the id '998'")
        page.get_by_role("combobox", name="Name or id").fill("weird artist 7")
        page.locator("#search-results [role=option]").first.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Artist 7")


def test_what_a_newer_run_lacks_is_left_out_of_a_taste(server, browser):
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{server}/?like=artist:3&like=artist:998&dislike=album:1&for=track")
        taste = page.get_by_role("complementary", name="Your taste")
        expect(taste.locator(".chip.missing")).to_contain_text(["998: not in this run, left out", "1: not in this run"])
        expect(taste.locator(".ranked a").first).to_contain_text("Title")
        taste.get_by_role("button", name=re.compile("^Why ")).first.click()
        expect(taste.locator(".because .shares li")).to_have_count(1)
        taste.get_by_role("button", name="Leave 998 out").click()
        expect(taste.locator(".chip")).to_have_count(2)


def test_a_newer_runs_entity_types_are_offered(server, browser):
    with browser.new_context() as context:
        page = context.new_page()
        page.clock.install()
        page.goto(server)
        types = page.get_by_role("combobox", name="What to search for").locator("option")
        expect(types).to_have_text(["artists", "tracks", "users"])
        page.get_by_role("combobox", name="What to search for").select_option("track")
        newer = page.request.get(f"{server}/api/entities").json()
        newer |= {"run": "newer", "entities": [each for each in newer["entities"] if each["name"] != "artist"]}
        page.route("**/api/entities", lambda route: route.fulfill(json=newer))
        page.clock.fast_forward(20_000)
        expect(types).to_have_text(["tracks", "users"])
        expect(page.get_by_role("combobox", name="What to search for")).to_have_value("track")


@pytest.fixture(scope="module")
def hostile(hostile_project, start_server):
    with start_server(hostile_project.config) as (url, _):
        yield url


def test_names_are_text_and_every_id_has_an_address(hostile, hostile_names, open_page):
    page = open_page(hostile)
    links = page.locator('main .grid a[data-at^="word:"]')
    expect(links).to_have_count(len(hostile_names))
    shown = {link.text_content() for link in links.all()}
    assert {name if name.strip() else "é" for name in hostile_names} - {"   "} - shown <= {"é"}
    for number in range(len(hostile_names)):
        link = page.locator('main .grid a[data-at^="word:"]').nth(number)
        name = link.text_content()
        link.click()
        expect(page.get_by_role("heading", level=1).locator("bdi")).to_have_text(name, use_inner_text=False)
        expect(page.locator("main .ranked li")).to_have_count(len(hostile_names) - 1)
        page.locator("main .entity .rate.like").click()
        expect(page.locator("aside .chip")).to_have_count(number + 1)
        page.goto(page.url.replace(page.url.split("?")[1].split("&")[0], ""))
        expect(page.locator('main .grid a[data-at^="word:"]')).to_have_count(len(hostile_names))
    assert "run" not in page.title()
    assert page.locator("main script, main img, aside script, aside img").count() == 0
