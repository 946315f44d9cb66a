"""Runs and rollbacks that were stopped, gates that nobody agreed to, targets that nobody may write to."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import yaml

from dtc_cli.app import main
from dtc_cli.commands import migrate_text, narrow
from dtc_cli.migrate import commands
from dtc_cli.migrate.reader import LayerReader
from dtc_cli.migrate.sinks import FileSink
from dtc_cli.migrate.twin import Twin
from dtc_cli.migrate.wire import TargetDown
from tests.integration.migrate import made
from tests.integration.migrate.conftest import Run
from tests.integration.migrate.test_run import api

LAYER = {"type": "Landmark", "id": {"key": "id"}, "properties": {"name": "name"}}


def points(folder: Path, *rows: str) -> Path:
    source = folder / "p.csv"
    source.write_text("\n".join(["id,name,lon,lat", *rows]) + "\n")
    return source


def stop(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def down(*_: Any, **__: Any) -> None:
    raise TargetDown("target-unreachable", "no answer")


def test_writing_needs_the_word_of_the_target_file(tmp_path: Path, dtc: Run, target: Path) -> None:
    text = target.read_text(encoding="utf-8")
    given = yaml.safe_load(text)
    careful = target.with_name("careful.yaml")
    plan = made.plan(points(tmp_path, "1,a,127,37"), layer=LAYER, city={"id": "KR-CAREFUL-2025"})
    try:
        careful.write_text(yaml.safe_dump({**given, "hazards": ["read"]}), encoding="utf-8")
        code, answer = dtc("run", plan, "--target", careful)
        assert (code, answer["error"]["code"]) == (2, "hazard")
        assert "add write" in answer["error"]["try"]
        assert not (tmp_path / "p.migration").exists()
        careful.write_text(text, encoding="utf-8")
        assert dtc("run", plan, "--target", careful)[0] == 0
        careful.write_text(yaml.safe_dump({**given, "hazards": ["read"]}), encoding="utf-8")
        for command in (("resume",), ("sync",), ("quarantine", "retry"), ("rollback",)):
            assert dtc(*command, plan)[1]["error"]["code"] == "hazard", command
        assert dtc("verify", plan)[1]["whole"]
        careful.write_text(text, encoding="utf-8")
        assert dtc("rollback", plan)[1]["deleted"] == 1
    finally:
        careful.unlink(missing_ok=True)


def test_a_stopped_run_is_no_finished_one(
    tmp_path: Path, dtc: Run, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    plan = made.plan(points(tmp_path, "1,a,127,37", "2,b,127,38"), layer=LAYER)
    for way, why in ((stop, "interrupted by Ctrl-C"), (down, "the target did not answer any more")):
        with monkeypatch.context() as patch:
            patch.setattr(FileSink, "checkpoint", way)
            assert dtc("run", plan, "--to", tmp_path / "o.ndjson")[0] in (2, 130)
        code, told = dtc("status", plan)
        assert (code, told["complete"], told["source_count"]) == (6, False, 2)
        assert why in told["unfinished"]["why"]
        assert "dtc migrate resume" in told["next"]
    capfd.readouterr()
    assert main(["migrate", "status", str(plan)]) == 6
    said = capfd.readouterr().out
    assert "run full not ended" in said
    assert "gave no records" not in said
    assert "not judged yet" in said
    # A retry of the quarantine does not end the run that was stopped.
    dtc("quarantine", "retry", plan)
    assert dtc("status", plan)[1]["unfinished"]["what"] == "run full"
    assert dtc("resume", plan)[0] == 0
    assert dtc("status", plan)[0] == 0


def test_ctrl_c_before_the_first_batch_says_that_nothing_was_written(
    tmp_path: Path, dtc: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = made.plan(points(tmp_path, "1,a,127,37"), layer=LAYER)
    odd = plan.rename(tmp_path / "plan 가.yaml")
    with monkeypatch.context() as patch:
        patch.setattr(commands, "load", stop)
        code, answer = dtc("run", odd, "--to", tmp_path / "o.ndjson")
    assert (code, answer["error"]["what"]) == (130, "interrupted; nothing was written")
    assert f"dtc migrate run '{odd}' --to" in answer["error"]["try"]
    assert "nothing was written" in dtc("resume", odd)[1]["error"]["try"]
    with monkeypatch.context() as patch:
        patch.setattr(LayerReader, "frames", stop)
        code, answer = dtc("run", odd, "--to", tmp_path / "o.ndjson")
    assert (code, answer["error"]["what"]) == (130, "interrupted; nothing was written")
    assert f"dtc migrate resume '{tmp_path / 'plan 가.migration'}'" in answer["error"]["try"]
    assert dtc("resume", odd)[1]["read"] == 1


def test_a_rollback_that_was_stopped_is_remembered(
    tmp_path: Path,
    dtc: Run,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    plan = made.plan(points(tmp_path, "1,a,127,37"), layer=LAYER, city={"id": "KR-HALF-2025"})
    assert dtc("run", plan, "--target", target)[0] == 0
    with monkeypatch.context() as patch:
        patch.setattr(Twin, "delete_many", stop)
        code, answer = dtc("rollback", plan)
    assert (code, answer["error"]["what"]) == (130, "interrupted; 1 objects still stand in the target")
    assert "dtc migrate rollback" in answer["error"]["try"]
    code, told = dtc("status", plan)
    assert (code, told["unfinished"]["what"]) == (6, "rollback")
    for command in (("run", plan, "--target", target), ("resume", plan), ("sync", plan)):
        assert "has not taken all back" in dtc(*command)[1]["error"]["what"]
    assert dtc("rollback", plan)[1]["deleted"] == 1
    code, told = dtc("status", plan)
    assert (code, told["unfinished"]) == (0, None)
    assert told["takenBack"]
    assert "was taken back" in dtc("sync", plan)[1]["error"]["what"]
    # Nothing of it stands: no table may look as if it did, and nothing is there that could agree.
    capfd.readouterr()
    assert main(["migrate", "status", str(plan)]) == 0
    said = capfd.readouterr().out
    assert "nothing of it stands in the target; what it was before that" in said
    assert "rollback: 1 deleted" in said
    for reading, words in (("verify", "nothing to verify"), ("diff", "nothing to compare")):
        code, answer = dtc(reading, plan)
        assert (code, answer["error"]["code"]) == (6, "taken-back")
        assert words in answer["error"]["what"]


def test_a_typo_in_the_plan_locks_nothing(tmp_path: Path, dtc: Run, target: Path) -> None:
    source = points(tmp_path, "1,a,127,37", "2,b,127,38")
    city = {"id": "KR-TYPO-2025"}
    wrong = {**LAYER, "properties": {"name": "höhe"}}
    code, answer = dtc("run", made.plan(source, layer=wrong, city=city), "--target", target)
    assert (code, "höhe" in answer["error"]["what"]) == (2, True)
    plan = made.plan(source, layer=LAYER, city=city)
    assert dtc("run", plan, "--target", target)[0] == 0
    with api(target, city["id"]) as client:
        assert client.get("/objects").json()["total"] == 2
    made.plan(source, layer={**LAYER, "type": "Park"}, city=city)
    assert "was changed" in dtc("run", plan, "--target", target)[1]["error"]["what"]
    # All of it taken back, with the city that the first attempt made: it begins anew.
    taken = dtc("rollback", plan)[1]
    assert (taken["deleted"], taken["city_removed"]) == (2, True)
    assert dtc("run", plan, "--target", target)[1]["states"] == {"loaded": 2}
    assert dtc("rollback", plan)[1]["deleted"] == 2


def test_data_that_lies_elsewhere_is_told_once_before_it_is_sent(
    tmp_path: Path, dtc: Run, target: Path
) -> None:
    """Not record by record, in the quarantine."""
    city = {"id": "KR-PARIS-2025", "bounds": [2.0, 48.0, 3.0, 49.0]}
    plan = made.plan(points(tmp_path, "1,a,127,37", "2,b,127.5,37"), layer=LAYER, city=city)
    code, answer = dtc("run", plan, "--target", target)
    assert (code, answer["error"]["code"]) == (2, "migration-plan")
    assert "the data lies at 127.0000 to 127.5000 E, 37.0000 N, the city at 1.99" in answer["error"]["why"]
    assert dtc("status", plan)[1]["states"] == {}
    # Where some of it lies in the city, the rest is refused by itself; and a source that was mended goes on.
    points(tmp_path, "1,a,127,37", "2,b,2.5,48.5")
    code, summary = dtc("run", plan, "--target", target)
    assert summary["states"] == {"loaded": 1, "quarantined": 1}
    assert "bounds of the city" in dtc("quarantine", "list", plan)[1]["records"][0]["try"]
    assert dtc("rollback", plan)[1]["deleted"] == 1


def test_a_source_that_is_gone_is_named(tmp_path: Path, dtc: Run) -> None:
    source = points(tmp_path, "1,a,127,37")
    plan = made.plan(source, layer=LAYER)
    stated = plan.read_text(encoding="utf-8").replace("path: p.csv", "path: p.csv\n  format: csv")
    source.unlink()
    for text in (plan.read_text(encoding="utf-8"), stated):
        plan.write_text(text, encoding="utf-8")
        code, answer = dtc("run", plan, "--to", tmp_path / "o.ndjson")
        assert (code, answer["error"]["what"]) == (2, f"there is no source {source}")


def test_no_pace_is_told_before_there_is_one(capfd: pytest.CaptureFixture[str]) -> None:
    progress = migrate_text.Progress()
    progress({"loaded": 60}, 60, 1.5)
    assert "60 records: loaded 60" in capfd.readouterr().err
    progress = migrate_text.Progress(every_s=0.0)
    progress({"loaded": 60}, 90, 1.5)
    progress({"loaded": 63}, 90, 2.5)
    assert "63 records, 3.0/s, 9 s left: loaded 63" in capfd.readouterr().err


def test_a_file_is_left_by_a_gate_and_named(
    tmp_path: Path, dtc: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    source = points(tmp_path, "1,a,127,37", "2,b,,")
    plan = made.plan(source, layer=LAYER, gates={"data_quality": "rollback"})
    code, summary = dtc("run", plan, "--to", tmp_path / "o.ndjson", "--yes")
    assert (code, summary["rolledBack"]) == (1, None)
    assert "o.ndjson holds 1 objects" in summary["notTakenBack"]["why"]
    capfd.readouterr()
    assert main(["migrate", "resume", str(plan)]) == 1
    assert "o.ndjson holds 1 objects" in capfd.readouterr().out


def test_an_older_version_that_stays_is_told_by_all(
    tmp_path: Path, dtc: Run, target: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = points(tmp_path, "1,a,127,37", "2,b,127,38")
    plan = made.plan(source, layer=LAYER, city={"id": "KR-OLDER-2025"})
    assert dtc("run", plan, "--target", target)[0] == 0
    points(tmp_path, "1,a,127,37", "2,b,,")
    code, summary = dtc("sync", plan)
    assert code == 6
    assert any("older versions of 1 quarantined records stay" in one for one in summary["problems"])
    listed = dtc("quarantine", "list", plan)[1]["records"][0]
    code, found = dtc("verify", plan)
    assert (code, found["outdated_count"], found["missing_count"]) == (1, 1, 0)
    assert found["outdated"][0]["id"] == listed["olderVersion"]
    code, told = dtc("diff", plan)
    assert (code, [one["id"] for one in told["extra"]]) == (1, [listed["olderVersion"]])
    capfd.readouterr()
    assert main(["migrate", "verify", str(plan)]) == 1
    assert main(["migrate", "quarantine", "list", str(plan)]) == 0
    assert capfd.readouterr().out.count("older version") == 2
    points(tmp_path, "1,a,127,37", "2,b,127,37.5")
    assert dtc("sync", plan)[0] == 0
    assert dtc("verify", plan)[0] == dtc("diff", plan)[0] == 0
    assert dtc("rollback", plan)[1]["deleted"] == 2


def test_no_number_is_broken_in_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    columns = ("layer", "source", "read", "quarantined", "accounted")
    narrow.table(columns, [("gis/건물의 이름", "20000", "20000", "200", "yes")])
    said = capfd.readouterr().out
    assert "gis/건물의 이름\n  source       20000\n" in said
    assert "quarantined  200\n" in said
    narrow.table(("a", "b"), [("x", "20000")])
    assert capfd.readouterr().out.split() == ["a", "b", "x", "20000"]


def test_a_journal_of_old_is_read(tmp_path: Path, dtc: Run) -> None:
    """Facts that earlier versions did not keep are no trouble."""
    plan = made.plan(points(tmp_path, "1,a,127,37"), layer=LAYER)
    assert dtc("run", plan, "--to", tmp_path / "o.ndjson")[0] == 0
    with sqlite3.connect(tmp_path / "p.migration" / "journal.sqlite") as db:
        db.execute("DELETE FROM fact WHERE name IN ('unfinished', 'takenBack')")
    db.close()
    assert dtc("status", plan)[0] == 0


def test_who_is_asked_decides(
    tmp_path: Path,
    dtc: Run,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    source = points(tmp_path, "1,a,127,37", "2,b,,")
    gates = {"data_quality": "rollback"}
    plan = made.plan(source, layer=LAYER, gates=gates, city={"id": "KR-ASKED-2025"})
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    for answer, words in ((False, "it was declined: nothing was taken back"), (True, "1 deleted")):
        monkeypatch.setattr("typer.confirm", lambda *_, said=answer, **__: said)
        capfd.readouterr()
        assert main(["migrate", "run", str(plan), "--target", str(target)]) == 1
        said = capfd.readouterr().out
        assert words in said
        assert said.count("gate data-quality: ") == 1
    assert dtc("rollback", plan)[1]["deleted"] == 0
