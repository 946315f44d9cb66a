"""From a file to a target and back: run, verify, diff, sync, rollback, quarantine; killed and resumed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import yaml

from dtc_cli.app import main
from dtc_cli.core.records import judge_text
from dtc_cli.core.target import load
from dtc_cli.migrate import content
from dtc_cli.migrate.merge_patch import merge_patch
from tests.integration.migrate import made
from tests.integration.migrate.conftest import Run

COUNT = 120  # made.buildings: 4 without place, 6 bow-ties of which 2 have no place
QUARANTINED, REPAIRED = 4, 4


def api(target: Path, city: str = "KR-TEST-2025") -> httpx.Client:
    found = load(target)
    key = found.api_keys["admin"]
    text = (found.folder / key.value).read_text().strip() if key.kind == "file" else key.value
    return httpx.Client(
        base_url=f"{found.base_url}/cities/{city}", headers={"X-API-Key": text}, trust_env=False
    )


def test_to_lines_with_every_record_accounted_for(tmp_path: Path, dtc: Run) -> None:
    plan = made.plan(made.buildings(tmp_path / "b.gpkg", COUNT))
    out = tmp_path / "out.ndjson"
    code, summary = dtc("run", plan, "--to", out)
    assert code == 6  # geometry integrity is below 0.99: flagged for review
    assert summary["states"] == {"loaded": 112, "repaired": REPAIRED, "quarantined": QUARANTINED}
    assert summary["accounted"]
    assert summary["complete"]
    assert summary["reasons"] == {"null-geometry": QUARANTINED}
    assert [gate["holds"] for gate in summary["gates"]] == [False, True]
    lines = [orjson.loads(line) for line in out.read_bytes().splitlines()]
    assert len(lines) == COUNT - QUARANTINED
    first = lines[0]
    assert first["type"] == "Building"
    assert first["properties"] == {
        "name": "건물 0",
        "buildingType": "residential",
        "height": 3,
        "floors": {"above": 1},
    }
    assert first["metadata"]["legacyId"] == "B000000"
    assert first["metadata"]["dataSource"] == "legacy-migration"
    assert first["metadata"]["migrationDate"].endswith("Z")
    assert 126 < first["geometry"]["coordinates"][0][0][0] < 128
    assert len({one["id"] for one in lines}) == len(lines)
    assert any("unknown code USE_CD=09999" in one["notices"] for one in summary["layers"])
    # The same plan once more gives the same ids.
    dtc("run", plan, "--to", tmp_path / "again.ndjson", "--journal", tmp_path / "j2")
    again = [orjson.loads(line) for line in (tmp_path / "again.ndjson").read_bytes().splitlines()]
    assert [one["id"] for one in again] == [one["id"] for one in lines]
    assert dtc("verify", plan)[1]["whole"]
    assert dtc("diff", plan)[1]["same"] == COUNT - QUARANTINED
    out.write_bytes(out.read_bytes().replace(b'"height":3,', b'"height":99,', 1))
    code, found = dtc("verify", plan)
    assert (code, found["differs_count"]) == (1, 1)
    code, found = dtc("diff", plan)
    assert found["differs"][0]["members"] == {"properties.height": [3, 99]}


def test_to_a_record_and_to_features(tmp_path: Path, dtc: Run) -> None:
    plan = made.plan(made.buildings(tmp_path / "b.gpkg", 10))
    assert dtc("run", plan, "--to", tmp_path / "city.json")[0] == 0
    judgement = judge_text((tmp_path / "city.json").read_bytes(), now=_now())
    assert judgement.valid, judgement.errors
    assert dtc("verify", plan)[1]["whole"]
    assert dtc("run", plan, "--to", tmp_path / "f.geojsonl", "--journal", tmp_path / "j")[0] == 0
    feature = orjson.loads((tmp_path / "f.geojsonl").read_bytes().splitlines()[0])
    assert feature["type"] == "Feature"
    assert dtc("verify", tmp_path / "j")[1]["whole"]


def _now() -> Any:
    from datetime import UTC, datetime, timedelta

    return datetime.now(UTC) + timedelta(minutes=1)


def test_a_dry_run_writes_nothing(tmp_path: Path, dtc: Run) -> None:
    plan = made.plan(made.buildings(tmp_path / "b.gpkg", 10))
    before = sorted(path.name for path in tmp_path.iterdir())
    code, summary = dtc("run", plan, "--dry-run")
    assert code == 0
    assert summary["dryRun"]
    assert summary["states"] == {"loaded": 10}
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_into_a_twin_and_back(tmp_path: Path, dtc: Run, target: Path) -> None:
    plan = made.plan(made.buildings(tmp_path / "b.gpkg", COUNT), phases={"pilot": {"limit": 50}})
    code, summary = dtc("run", plan, "--target", target, "--phase", "pilot")
    assert not summary["complete"]
    assert summary["read"] == 50
    code, summary = dtc("resume", plan, "--phase", "full")
    assert (code, summary["complete"], summary["read"]) == (6, True, COUNT)
    code, found = dtc("verify", plan)
    assert code == 0
    assert found["sampled"] == COUNT - QUARANTINED
    code, status = dtc("status", plan)
    assert [event["what"] for event in status["history"]] == ["run pilot", "run full"]
    code, taken = dtc("rollback", plan)
    assert (code, taken["deleted"], taken["whole"], taken["city_removed"]) == (
        0,
        COUNT - QUARANTINED,
        True,
        True,
    )
    with api(target) as client:
        assert client.get("").status_code == 404
    assert dtc("rollback", plan)[1]["deleted"] == 0


def test_sync_writes_only_what_changed(tmp_path: Path, dtc: Run, target: Path) -> None:
    source = made.buildings(tmp_path / "b.gpkg", COUNT)
    plan = made.plan(source)
    dtc("run", plan, "--target", target)
    code, same = dtc("sync", plan)
    assert same["states"] == {"unchanged": COUNT - QUARANTINED, "quarantined": QUARANTINED}
    made.change(source, "UPDATE b SET HEIGHT = 77 WHERE UFID = 'B000005'")
    made.change(source, "DELETE FROM b WHERE UFID = 'B000006'")
    made.change(source, "UPDATE b SET UFID = 'NEW' WHERE UFID = 'B000007'")
    code, changed = dtc("sync", plan)
    assert changed["states"]["loaded"] == 2
    assert changed["states"]["deleted"] == 2
    assert changed["accounted"]
    assert changed["per_second"] > 0
    assert dtc("diff", plan)[0] == 0
    # Somebody edits an object: a rollback leaves it alone unless forced.
    with api(target) as client:
        shown = client.get("/objects", params={"limit": 1000}).json()["objects"]
        edited = next(one for one in shown if one["metadata"]["legacyId"] == "B000001")["id"]
        client.patch(f"/objects/{edited}", json={"properties": {"name": "edited"}})
    code, differing = dtc("diff", plan)
    assert differing["differs"][0]["members"] == {"properties.name": ["건물 1", "edited"]}
    code, taken = dtc("rollback", plan)
    assert (code, taken["edited"]) == (6, [edited])
    code, told = dtc("status", plan)
    assert (code, told["next"].endswith(" --force")) == (6, True)
    assert "1 objects are left" in dtc("resume", plan)[1]["error"]["why"]
    code, taken = dtc("rollback", plan, "--force")
    assert (code, taken["deleted"]) == (0, 1)


def test_objects_that_stood_there_are_restored(tmp_path: Path, dtc: Run, target: Path) -> None:
    source = made.buildings(tmp_path / "b.gpkg", 20)
    plan = made.plan(source, layer={"id": {"key": "UFID", "scheme": "arcgis"}}, city={"id": "KR-OLD-2025"})
    dtc("run", plan, "--target", target)
    with api(target, "KR-OLD-2025") as client:
        before = sorted(
            client.get("/objects", params={"limit": 1000}).json()["objects"], key=lambda one: one["id"]
        )
        client.post(
            "/objects",
            json={
                "id": "building-B000021",
                "type": "Building",
                "properties": {},
                "geometry": {"type": "Point", "coordinates": before[0]["geometry"]["coordinates"][0][0]},
            },
        )
    # Another migration of the changed source meets the objects of the first, and one of nobody.
    second = made.buildings(tmp_path / "c.gpkg", 22, HEIGHT=_heights(22))
    other = made.plan(
        second, layer={"id": {"key": "UFID", "scheme": "arcgis"}}, city={"id": "KR-OLD-2025"},
        on_existing="update",
    )  # fmt: skip
    _code, summary = dtc("run", other, "--target", target)
    assert summary["reasons"] == {"target: id-taken": 1}
    assert summary["states"]["loaded"] + summary["states"]["repaired"] == 21
    assert dtc("rollback", other)[1]["restored"] == 20
    with api(target, "KR-OLD-2025") as client:
        after = client.get("/objects", params={"limit": 1000}).json()["objects"]
    old = [one for one in sorted(after, key=lambda one: one["id"]) if one["id"] != "building-B000021"]
    for one in (*before, *old):
        one["metadata"].pop("lastUpdated", None)
        one.pop("revision", None)
    assert [content.of_object(one) for one in old] == [content.of_object(one) for one in before]
    assert [one["metadata"]["migrationId"] for one in old] == [
        one["metadata"]["migrationId"] for one in before
    ]


def test_two_sources_whose_files_are_called_alike_never_overwrite_each_other(
    tmp_path: Path, dtc: Run, target: Path
) -> None:
    plans = []
    for place, district in enumerate(("강남", "서초")):
        folder = tmp_path / district
        folder.mkdir()
        source = folder / "parks.geojson"
        features = [
            {
                "type": "Feature",
                "properties": {"gid": n, "name": f"{district} {n}"},
                "geometry": {"type": "Point", "coordinates": [127.0 + place / 1000, 37.5 + n / 100]},
            }
            for n in range(5)
        ]
        source.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
        plans.append(folder / "plan.yaml")
        dtc("plan", source, "--city", "KR-ALIKE-2025", "--out", plans[-1])
    assert dtc("run", plans[0], "--target", target)[1]["states"] == {"loaded": 5}
    code, refused = dtc("run", plans[1], "--target", target)
    assert (code, refused["reasons"]) == (1, {"target: id-taken": 5})
    listed = dtc("quarantine", "list", plans[1])[1]
    migration = dtc("status", plans[0])[1]["migration"]
    assert all(migration in row["detail"] and "name:" in row["try"] for row in listed["records"])
    # With a name of its own the second finds its place; both run on as before.
    text = plans[1].read_text(encoding="utf-8").replace("\n  - name: parks", "\n  - name: 공원-서초")
    plans[1].write_text(text, encoding="utf-8")
    journal = tmp_path / "second.migration"
    assert dtc("run", plans[1], "--target", target, "--journal", journal)[1]["states"] == {"loaded": 5}
    assert dtc("sync", plans[0])[1]["states"] == {"unchanged": 5}
    with api(target, "KR-ALIKE-2025") as client:
        assert len(client.get("/objects").json()["objects"]) == 10


def _heights(count: int) -> Any:
    import numpy as np

    return np.array([50.0] * count)


def test_killed_at_any_moment_it_goes_on(tmp_path: Path, dtc: Run) -> None:
    """`kill -9` after some pages; nothing is lost and nothing doubled."""
    plan = made.plan(made.buildings(tmp_path / "b.gpkg", 6500))
    out = tmp_path / "out.ndjson"
    command = [sys.executable, "-m", "dtc_cli", "migrate", "run", str(plan), "--to", str(out)]
    for size in (1, 700_000, 1_400_000):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            while process.poll() is None and (not out.exists() or out.stat().st_size < size):
                pass
            os.kill(process.pid, signal.SIGKILL)
    _code, summary = dtc("resume", plan)
    assert summary["accounted"]
    assert summary["complete"]
    lines = out.read_bytes().splitlines()
    assert len(lines) == summary["states"]["loaded"] + summary["states"]["repaired"]
    assert len({orjson.loads(line)["id"] for line in lines}) == len(lines)
    assert sum(summary["states"].values()) == 6500


def test_the_quarantine_is_listed_exported_and_tried_again(tmp_path: Path, dtc: Run) -> None:
    source = made.buildings(tmp_path / "b.gpkg", 60)
    plan = made.plan(source)
    out = tmp_path / "out.ndjson"
    dtc("run", plan, "--to", out)
    code, listed = dtc("quarantine", "list", plan)
    assert listed["reasons"] == {"null-geometry": 2}
    assert listed["records"][0]["key"] == "B000029"
    assert listed["records"][0]["try"]
    assert dtc("quarantine", "export", plan, "--out", tmp_path / "q.csv")[1]["records"] == 2
    assert (
        dtc("quarantine", "export", plan, "--out", tmp_path / "q.ndjson", "--code", "null")[1]["records"] == 2
    )
    first = orjson.loads((tmp_path / "q.ndjson").read_bytes().splitlines()[0])
    assert first["record"]["fields"]["BLD_NM"] == "건물 29"
    assert dtc("quarantine", "export", plan, "--out", tmp_path / "no" / "q.csv")[0] == 7
    data = yaml.safe_load(plan.read_text(encoding="utf-8"))
    data["sources"][0]["layers"][0]["geometry"] = {"point": [127.0, 37.5]}
    plan.write_text(yaml.safe_dump(data), encoding="utf-8")
    assert dtc("resume", plan)[0] == 2  # a changed plan is no resume
    code, summary = dtc("quarantine", "retry", plan)
    assert code == 0
    assert summary["states"] == {"loaded": 58, "repaired": 2}
    assert len(out.read_bytes().splitlines()) == 60


def test_keys_that_occur_twice(tmp_path: Path, dtc: Run) -> None:
    (tmp_path / "p.csv").write_text(
        "id,name,lon,lat\n1,a,127,37\n1,a,127,37\n2,b,127,37\n2,c,127,37\n,d,127,37\n3,e,,\n4,f,x,1\n"
    )
    plan = made.plan(
        tmp_path / "p.csv", layer={"type": "Landmark", "id": {"key": "id"}, "properties": {"name": "name"}}
    )
    _code, summary = dtc("run", plan, "--to", tmp_path / "o.ndjson")
    # The one without a key gets an id of its content.
    assert summary["states"] == {"loaded": 2, "unchanged": 1, "quarantined": 4}
    assert summary["reasons"] == {
        "duplicate-key": 2,
        "bad-coordinate": 1,
        "null-geometry": 1,
    }


def test_records_without_a_key_get_ids_of_their_content(tmp_path: Path, dtc: Run) -> None:
    (tmp_path / "p.csv").write_text("name,wkt\na,POINT (127 37)\na,POINT (127 37)\nb,POINT (127 38)\n")
    plan = made.plan(
        tmp_path / "p.csv",
        layer={"type": "Landmark", "id": {}, "source_crs": "EPSG:4326", "properties": {"name": "name"}},
    )
    assert dtc("run", plan, "--to", tmp_path / "o.ndjson")[1]["states"] == {"loaded": 3}
    lines = [orjson.loads(line) for line in (tmp_path / "o.ndjson").read_bytes().splitlines()]
    assert len({one["id"] for one in lines}) == 3
    assert lines[0]["metadata"]["legacyIdStable"] is False


def test_a_building_needs_what_the_standard_asks_and_zero_is_a_height(tmp_path: Path, dtc: Run) -> None:
    text = "id,nm,use,h,lon,lat\n1,a,home,0,127,37\n2,,home,3,127,37\n3,c,home,,127,37\n"
    (tmp_path / "p.csv").write_text(text)
    layer = {
        "id": {"key": "id"},
        "properties": {"name": "nm", "buildingType": "use", "height": {"from": "h", "as": "number"}},
    }
    code, summary = dtc("run", made.plan(tmp_path / "p.csv", layer=layer), "--to", tmp_path / "o.ndjson")
    assert summary["states"] == {"loaded": 1, "quarantined": 2}
    assert summary["reasons"] == {"missing-property": 2}
    assert code == 6


def test_bad_quality_is_taken_back(tmp_path: Path, dtc: Run, target: Path) -> None:
    (tmp_path / "p.csv").write_text("id,name,lon,lat\n1,a,127,37\n2,b,,\n3,c,127.1,37.1\n")
    layer = {"type": "Landmark", "id": {"key": "id"}, "properties": {"name": "name"}}
    plan = made.plan(
        tmp_path / "p.csv", layer=layer, gates={"data_quality": "rollback"}, city={"id": "KR-BAD-2025"}
    )
    code, summary = dtc("run", plan, "--target", target)
    assert (code, summary["rolledBack"]) == (1, None)  # nobody agreed to it
    assert "dtc migrate rollback" in summary["notTakenBack"]["next"]
    code, summary = dtc("resume", plan, "--yes")
    assert code == 1
    assert summary["rolledBack"]["deleted"] == 2
    # After it a corrected plan begins anew, in the same journal.
    code, summary = dtc("run", made.plan(tmp_path / "p.csv", layer=layer), "--to", tmp_path / "o.ndjson")
    assert (code, summary["read"]) == (6, 3)


def test_a_phase_needs_the_one_before(tmp_path: Path, dtc: Run) -> None:
    plan = made.plan(
        made.buildings(tmp_path / "b.gpkg", 25),
        phases={"pilot": {"limit": 5}, "incremental": {"needs": "pilot", "limit": 20}},
    )
    out = tmp_path / "o.ndjson"
    code, error = dtc("run", plan, "--to", out, "--phase", "incremental")
    assert code == 2
    assert "needs the phase pilot" in error["error"]["what"]
    assert dtc("run", plan, "--to", out, "--phase", "pilot")[0] == 0
    assert dtc("run", plan, "--to", out, "--phase", "incremental")[1]["read"] == 20
    assert dtc("sync", plan)[0] == 2
    assert dtc("run", plan, "--to", out, "--phase", "other")[0] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("run", "{plan}"), 2, "one place to go to"),
        (("run", "none.yaml", "--to", "x.ndjson"), 2, "cannot be read"),
        (("status", "none.yaml"), 2, "no migration"),
        (("assess", "none.shp"), 2, "no source"),
        (("assess", "."), 2, "is a folder"),
        (("assess", "{plan}", "--format", "papyrus"), 2, "not known"),
        (("assess", "{plan}", "--option", "x"), 2, "NAME=VALUE"),
        (("run", "{plan}", "--to", "no/such/dir/\0/x"), 2, ""),
    ],
)
def test_what_cannot_be_done_is_said(
    tmp_path: Path, dtc: Run, arguments: tuple[str, ...], code: int, words: str
) -> None:
    plan = made.plan(made.buildings(tmp_path / "b.gpkg", 3))
    if "\0" in "".join(arguments):
        arguments = ("run", "{plan}", "--to", "/proc/none/x.ndjson")
        code = 7
    got, answer = dtc(*(one.replace("{plan}", str(plan)) for one in arguments))
    assert got == code
    assert words in answer["error"]["what"]


def test_a_journal_belongs_to_one_target(tmp_path: Path, dtc: Run, target: Path) -> None:
    plan = made.plan(made.buildings(tmp_path / "b.gpkg", 3))
    # A first run that could not begin binds nobody.
    assert dtc("run", plan, "--to", "/proc/nowhere/o.ndjson")[0] == 7
    assert dtc("run", plan, "--to", tmp_path / "o.ndjson")[1]["read"] == 3
    assert "another target" in dtc("run", plan, "--to", tmp_path / "p.ndjson")[1]["error"]["what"]
    assert dtc("rollback", plan)[1]["error"]["code"] == "migration-target"
    (tmp_path / "o.ndjson").unlink()
    assert dtc("verify", plan)[0] == 7
    (tmp_path / "b.migration" / "journal.sqlite").write_bytes(b"junk" * 500)
    assert "cannot be used" in dtc("status", plan)[1]["error"]["what"]


def test_the_words_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str], target: Path) -> None:
    source = made.buildings(tmp_path / "b.gpkg", 60)
    plan = tmp_path / "plan.yaml"
    assert main(["migrate", "assess", str(source), "--html", str(tmp_path / "a.html")]) == 0
    assert "<svg" in (tmp_path / "a.html").read_text(encoding="utf-8")
    assert main(["migrate", "plan", str(source), "--city", "KR-WORDS-2025", "--out", str(plan)]) == 0
    text = plan.read_text(encoding="utf-8")
    assert "floors.above: {from: GRO_FLO" in text or "HEIGHT" in text
    assert main(["migrate", "plan", str(source), "--city", "KR-WORDS-2025", "--out", str(plan)]) == 2
    assert main(["migrate", "run", str(plan), "--target", str(target)]) in (0, 6)
    for command in ("status", "verify", "diff"):
        assert main(["migrate", command, str(plan)]) == 0
    assert main(["migrate", "quarantine", "list", str(plan)]) == 0
    assert main(["migrate", "quarantine", "export", str(plan), "--out", str(tmp_path / "q.csv")]) == 0
    assert main(["migrate", "quarantine", "retry", str(plan)]) in (0, 6)
    assert main(["migrate", "sync", str(plan)]) in (0, 6)
    assert main(["migrate", "rollback", str(plan)]) == 0
    said = capsys.readouterr().out
    for words in (
        "accounted",
        "all agrees",
        "same 58",
        "gate geometry-integrity",
        "taken back in",
        "null-geometry",
    ):
        assert words in said


def test_a_merge_patch_makes_one_object_of_another() -> None:
    now = {
        "id": "a",
        "type": "T",
        "geometry": {"type": "Point", "lod": 1, "coordinates": [1, 2]},
        "properties": {"a": {"x": 1, "y": 2}, "gone": 1},
        "metadata": {"theirs": 1, "old": 2},
    }
    wanted = {
        "id": "a",
        "type": "T",
        "geometry": {"type": "Point", "coordinates": [1, 3]},
        "properties": {"a": {"x": 1}, "b": 2},
        "metadata": {"old": 3},
    }
    assert merge_patch(now, wanted) == {
        "geometry": {"lod": None, "coordinates": [1, 3]},
        "properties": {"gone": None, "a": {"y": None}, "b": 2},
        "metadata": {"old": 3},
    }
    assert merge_patch(wanted, wanted) == {}


def test_a_plan_requires_only_what_the_source_has(dtc: Run, tmp_path: Path) -> None:
    rows = [f"{n},school,{'' if n % 4 else 12.5},129.0{n},35.18" for n in range(1, 9)]
    source = tmp_path / "buildings.csv"
    source.write_text("\n".join(["id,building_type,height,lon,lat", *rows]) + "\n")
    assert dtc("plan", source, "--city", "KR-BUSAN-2025", "--out", tmp_path / "plan.yaml")[0] == 0
    lines = (tmp_path / "plan.yaml").read_text().splitlines()
    assert any("# DECIDE required: name, height may be missing" in line for line in lines)
    assert any("no field was found for name; few records have height (25% filled)" in line for line in lines)
    layer = dtc("assess", source)[1]["layers"][0]
    assert layer["parts"]["completeness"] < 0.5
    line = next(line for line in lines if "required: [" in line)
    assert "required: [buildingType] " in line
    assert line.endswith("height only 25% filled")
