"""The comparison of runs and the register's site in a real browser: axe finds nothing serious."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dtc_cli.comparison import side_by_side
from dtc_cli.core import report as reporting
from dtc_cli.load import chart, steps_page
from dtc_cli.load.search import Try
from tests.support import report_runs
from tests.support.browser import Page, browser, missing
from tests.support.office import Office

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    with browser() as page:
        page.call("Page.setBypassCSP", enabled=True)  # axe is put into the page from outside
        yield page


def sound(tab: Page, file: Path) -> None:
    """No serious finding in light and dark, wide and narrow."""
    tab.open(file.as_uri())
    for scheme, width in (("light", 1280), ("dark", 360)):
        tab.look(scheme=scheme, width=width)
        assert tab.axe() == []


def test_the_matrix_of_runs(tab: Page, tmp_path: Path) -> None:
    reports = [reporting.build(report_runs.ordinary(tmp_path / name)) for name in ("one", "two")]
    file = tmp_path / "matrix.html"
    file.write_bytes(side_by_side.page(reports))
    sound(tab, file)


def test_the_site_of_a_register(
    tab: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    office = Office(tmp_path, capfd)
    identifier, _ = office.issue(office.package())
    change = ("certificate", "suspend", office.registry, identifier, "--reason", "under inquiry")
    assert office(*change)[0] == 0
    assert office("registry", "build", office.registry, "--out", tmp_path / "site")[0] == 0
    sound(tab, tmp_path / "site" / "index.html")


def test_the_pages_of_a_load(tab: Page, tmp_path: Path) -> None:
    tries = [Try(100.0 * factor, 99.0 * factor, 12.5, "kept", "") for factor in (1, 2, 4)]
    file = tmp_path / "steps.html"
    file.write_bytes(steps_page.render("Twin", tries, tries[-1], "scaled: short tries"))
    sound(tab, file)
    columns = ("route", "answers", "mean", "p50", "p95", "p99", "p99.9", "max", "why")
    rows = [("keyed", *["123.456789"] * 7, "the run was scaled down"), ("all", *["1"] * 7, "failed")]
    parts = [chart.table("Latencies", columns, rows), chart.chart([("p99", [(0, 1), (9, 2)])], "ms", "s")]
    file.write_bytes(chart.document("Load on Twin", parts))
    sound(tab, file)
