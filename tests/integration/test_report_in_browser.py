"""The HTML report in a real browser: read aloud, in light and dark, narrow and on paper."""

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dtc_cli.core import report as reporting
from dtc_cli.reports import FORMATS
from tests.support import report_runs
from tests.support.browser import Page, browser, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

OUTLINE = Path(__file__).parent / "report_outline.txt"
BRIGHTNESS = """
(async () => {
  const image = new Image();
  image.src = 'data:image/png;base64,%s';
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, image.width, image.height).data;
  let sum = 0, inked = 0;
  const first = pixels[0] + pixels[1] + pixels[2];
  for (let i = 0; i < pixels.length; i += 4) {
    const light = pixels[i] + pixels[i + 1] + pixels[i + 2];
    sum += light / 3;
    inked += Math.abs(light - first) > 90 ? 1 : 0;
  }
  const all = pixels.length / 4;
  return [sum / all, inked / all];
})()
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The report of a run with one of everything, open."""
    folder = tmp_path_factory.mktemp("report")
    file = folder / "report.html"
    file.write_bytes(FORMATS["html"](reporting.build(report_runs.ordinary(folder / "run"))))
    with browser() as tab:
        tab.call("Page.setBypassCSP", enabled=True)  # axe is put into the page from outside
        tab.open(file.as_uri())
        yield tab


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_nothing_serious(page: Page, scheme: str, width: int) -> None:
    page.look(scheme=scheme, width=width)
    page.ask("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.axe() == []


def test_axe_would_find_something(page: Page) -> None:
    page.look()
    page.ask(
        "document.body.insertAdjacentHTML('beforeend', '<p id=spoilt style=\"color:#eee\">x</p><img src=x>')"
    )
    found = page.axe()
    page.ask(
        "document.querySelector('#spoilt').nextSibling.remove(); document.querySelector('#spoilt').remove()"
    )
    assert any(each.startswith("image-alt") for each in found)
    assert page.axe() == []


def seen(page: Page) -> tuple[float, float]:
    """Mean brightness (0 to 255) of what is seen, and the share of it that is not background."""
    bright, inked = page.ask(BRIGHTNESS % base64.b64encode(page.photo()).decode())
    return float(bright), float(inked)


def test_light_and_dark_are_seen(page: Page) -> None:
    page.look(scheme="light")
    light, ink = seen(page)
    page.look(scheme="dark")
    dark, ink_in_the_dark = seen(page)
    assert light > 200
    assert dark < 90
    assert min(ink, ink_in_the_dark) > 0.01


@pytest.mark.parametrize("width", [1280, 768, 360])
def test_no_width_needs_sideways_scrolling(page: Page, width: int) -> None:
    page.look(width=width)
    assert page.ask("document.documentElement.scrollWidth") <= width


def test_its_outline_is_as_agreed(page: Page) -> None:
    """Headings, regions and tables in their order, as a screen reader walks through them."""
    page.look()
    found = page.ask(
        "[...document.querySelectorAll('h1,h2,h3,main,nav,header,footer,table,[role=region],[role=search]')]"
        ".filter(e => e.checkVisibility()).slice(0, 40).map(e => e.tagName.toLowerCase() + ' ' + "
        "(e.matches('h1,h2,h3') ? e.textContent : e.ariaLabel || e.caption?.textContent || ''))"
        ".map(t => t.replace(/\\s+/g, ' ').trim()).join('\\n')"
    )
    if os.environ.get("DTC_UPDATE_SNAPSHOTS"):
        OUTLINE.write_text(found + "\n", encoding="utf-8")
    assert found + "\n" == OUTLINE.read_text(encoding="utf-8")


def test_what_matters_to_a_buyer_is_on_the_first_screen(page: Page) -> None:
    page.look()
    page.ask("window.scrollTo(0, 0)")
    box = page.ask("(({top, bottom}) => [top, bottom])(document.querySelector('h1').getBoundingClientRect())")
    assert 0 <= box[0] < box[1] < 450


def test_on_paper_nothing_is_folded_and_nothing_interactive_is_left(page: Page) -> None:
    page.look(media="print")
    hidden = page.ask(
        "[...document.querySelectorAll('input,select,button')].filter(e => e.checkVisibility()).length"
    )
    assert hidden == 0
    paper = base64.b64decode(page.call("Page.printToPDF", printBackground=True)["data"])
    assert paper.startswith(b"%PDF")
    assert len(paper) > 10_000


def test_search_filters_without_a_network(page: Page) -> None:
    page.look()
    table = "[...document.querySelectorAll('#requirement-table tbody tr')]"
    rows = table + ".filter(e => e.checkVisibility()).length"
    before = page.ask(rows)
    page.ask(
        "(() => { const i = document.querySelector('#filter [name=words]'); i.value = 'DTC-P2-004';"
        "i.dispatchEvent(new Event('input', {bubbles: true})) })()"
    )
    after = page.ask(rows)
    assert 0 < after < before
    loaded = page.ask("performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in loaded if not name.startswith("data:")] == []
