"""The review page: for this machine alone, driven by keys in a real browser, every decision on disk."""

import http.client
import json
import os
import shutil
from base64 import b64decode
from pathlib import Path
from threading import Thread
from urllib.parse import urlencode

import pytest

from manifests.errors import UserError
from manifests.stage import KEEP, REJECT
from pipeline.decisions import read_decisions
from pipeline.plan import Pipeline
from pipeline.review.samples import Samples
from pipeline.review.server import ReviewServer
from pipeline.review.session import Session
from pipeline.status import frozen_recipe
from pipeline.store import Store
from tests.chromium import PROGRAM, Browser


@pytest.fixture
def store(tmp_path, smoke_run):
    """A copy of the smoke run that a reviewer may decide about."""
    return Store(str(shutil.copytree(smoke_run, tmp_path / "run")))


@pytest.fixture
def session(store):
    return Session(Samples(Pipeline(frozen_recipe(store), store=store), store), store)


@pytest.fixture
def server(session):
    with ReviewServer(session, "smoke: review") as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def _ask(server, method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1])
    connection.request(method, path, body if body is None else json.dumps(body), {name.replace("_", "-"): v for name, v in headers.items()})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, data, answer.headers


def _samples(server, **asked):
    status, data, _ = _ask(server, "GET", f"/samples?{urlencode(asked)}")
    assert status == 200, data
    return json.loads(data)


def test_samples_are_found_by_style_state_and_score(server):
    every = _samples(server)["rows"]
    assert {row["style"] for row in every} == {"charcoal", "stick"} and len(every) == _samples(server)["total"]
    assert {row["style"] for row in _samples(server, style="stick")["rows"]} == {"stick"}
    rejected = _samples(server, state="rejected")["rows"]
    assert len(rejected) + len(_samples(server, state="passed")["rows"]) == len(every) and all(row["reason"] for row in rejected)
    scores = [row["scores"]["oks"] for row in _samples(server, score="oks")["rows"]]
    assert scores == sorted(scores)
    low, high = scores[2], scores[5]
    assert [row["scores"]["oks"] for row in _samples(server, score="oks", low=low, high=high)["rows"]] == [
        s for s in scores if low <= s <= high
    ]
    for asked in ("low=much", "limit=nan", "limit=inf", "high=1e999999999", "after=stick-999999", "before=ink"):
        assert _ask(server, "GET", f"/samples?{asked}")[0] == 400


def _ids(page):
    return [row["sample_id"] for row in page["rows"]]


@pytest.mark.parametrize("score", ["", "oks"])
def test_pages_follow_the_sample_at_their_end(session, score):
    every = _ids(session.page({"score": score}))
    ahead = session.page({"score": score, "after": every[3], "limit": "3"})
    assert (_ids(ahead), ahead["offset"], ahead["total"]) == (every[4:7], 4, len(every))
    back = session.page({"score": score, "before": every[5], "limit": "3"})
    assert (_ids(back), back["offset"]) == (every[2:5], 2)
    assert _ids(session.page({"score": score, "before": every[1], "limit": "3"})) == every[:1]
    assert not _ids(session.page({"score": score, "after": every[-1]})) and not _ids(session.page({"score": score, "before": every[0]}))


def test_no_sample_is_passed_over_while_decisions_empty_the_filter(session):
    asked, seen = {"state": "undecided", "limit": "3"}, []
    every = _ids(session.page({}))
    while page := _ids(session.page(asked)):
        for sample_id in page:
            session.decide(sample_id, KEEP)
        seen += page
        asked["after"] = page[-1]
    assert seen == every


def test_what_could_not_be_saved_is_said_and_not_remembered(server, session, store, monkeypatch):
    a = _samples(server)["rows"][0]["sample_id"]
    session.decide(a, KEEP)
    with monkeypatch.context() as full:
        full.setattr(Store, "write", _refuse)
        status, said, _ = _ask(server, "POST", "/decide", {"sample_id": a, "decision": REJECT}, X_Skep_Token=server.token)
        assert (status, said) == (500, b"the run folder refuses it: No space left on device")
        assert _ask(server, "POST", "/undo", {}, X_Skep_Token=server.token)[0] == 500
    assert read_decisions(store) == {a: KEEP}
    session.undo()
    assert read_decisions(store) == {} == session.undo()


def _refuse(*_):
    raise OSError(28, "No space left on device")


def test_pictures_and_labels_are_those_of_the_sample(server):
    sample_id = _samples(server)["rows"][0]["sample_id"]
    status, data, headers = _ask(server, "GET", f"/picture/{sample_id}")
    assert status == 200 and headers["Content-Type"] == "image/png" and data[1:4] == b"PNG"
    labels = json.loads(_ask(server, "GET", f"/labels/{sample_id}")[1])
    assert len(labels["joints2d"]) == 16 and len(labels["joints2d"][0]) == 2 and len(labels["visibility"]) == 16


@pytest.mark.parametrize("path", ["/picture/stick-999999", "/labels/..%2f..%2fetc", "/nothing", "/../recipe.yaml"])
def test_what_is_not_there_is_not_found(server, path):
    assert _ask(server, "GET", path)[0] == 404


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "localhost", "127.0.0.1:1"])
def test_other_hosts_are_refused(server, host):
    assert _ask(server, "GET", "/", Host=host.format(port=server.server_address[1]))[0] == 403


def test_decisions_of_other_pages_are_refused(server, store):
    body = {"sample_id": _samples(server)["rows"][0]["sample_id"], "decision": REJECT}
    own = server.url.rstrip("/")
    assert _ask(server, "POST", "/decide", body)[0] == 403
    assert _ask(server, "POST", "/decide", body, X_Skep_Token="guess", Origin=own)[0] == 403
    assert _ask(server, "POST", "/decide", body, X_Skep_Token=server.token, Origin="http://evil.example")[0] == 403
    assert _ask(server, "POST", "/decide", body, X_Skep_Token=server.token, Origin="null")[0] == 403
    assert read_decisions(store) == {}
    assert _ask(server, "POST", "/decide", body, X_Skep_Token=server.token, Origin=own)[0] == 200
    assert read_decisions(store) == {body["sample_id"]: REJECT}


@pytest.mark.parametrize("body", [[], "x", {"sample_id": "stick-999999", "decision": KEEP}, {"decision": KEEP}, {"x": "y" * 5000}])
def test_a_body_that_is_no_decision_is_refused(server, store, body):
    assert _ask(server, "POST", "/decide", body, X_Skep_Token=server.token)[0] == 400
    assert read_decisions(store) == {}


def test_undo_takes_back_one_decision_after_the_other(session, store):
    a, b = list(session.samples.by_id)[:2]
    session.decide(a, KEEP)
    session.decide(a, REJECT)
    session.decide(b, REJECT)
    assert read_decisions(store) == {a: REJECT, b: REJECT}
    session.undo()
    session.undo()
    assert read_decisions(store) == {a: KEEP}
    session.undo()
    assert read_decisions(store) == {} == session.undo()


def test_a_later_session_goes_on_from_what_was_decided(session, store):
    a, b = list(session.samples.by_id)[:2]
    session.decide(a, KEEP)
    later = Session(session.samples, store)
    later.decide(b, REJECT)
    assert [row["sample_id"] for row in later.page({"state": KEEP})["rows"]] == [a]
    assert read_decisions(store) == {a: KEEP, b: REJECT}


def test_a_run_without_pictures_is_one_sentence(tmp_path, store):
    shutil.rmtree(tmp_path / "run/filter")
    with pytest.raises(UserError, match="stage filter has made nothing"):
        Samples(Pipeline(frozen_recipe(store), store=store), store)


@pytest.mark.skipif(not PROGRAM, reason="no Chromium on this machine")
def test_a_reviewer_works_by_keys_in_a_browser(server, store, tmp_path):
    """Set SKEP_SCREENSHOTS to a folder to see what the reviewer sees."""
    ids = [row["sample_id"] for row in _samples(server)["rows"]]
    with Browser(tmp_path / "profile") as browser:
        browser.open(server.url)
        browser.wait("document.querySelectorAll('.cell img').length > 0")
        browser.wait("[...document.images].filter(i => i.loading != 'lazy' || i.naturalWidth).length > 0")
        browser.press("k", "r", "ArrowRight", "r")
        browser.wait("document.querySelectorAll('.cell.reject').length == 2")
        assert read_decisions(store) == {ids[0]: KEEP, ids[1]: REJECT, ids[3]: REJECT}
        browser.press("u")
        browser.wait("document.querySelectorAll('.cell.reject').length == 1")
        assert read_decisions(store) == {ids[0]: KEEP, ids[1]: REJECT}
        assert browser.ask("document.getElementById('count').textContent").endswith("2 decided")
        _keep(browser, "contact-sheet")
        browser.press("Enter")
        browser.wait("document.querySelectorAll('#overlay line').length == 15 && document.querySelectorAll('#overlay circle').length == 16")
        assert browser.ask("document.querySelector('#facts dd').textContent") == ids[3]
        _keep(browser, "single")
        browser.press("j")
        browser.wait("getComputedStyle(document.getElementById('overlay')).visibility == 'hidden'")
        browser.press("k")
        browser.wait(f"document.querySelector('#facts dd').textContent == '{ids[4]}'")
        browser.press("Escape", "s")
        browser.wait("document.getElementById('style').value == 'charcoal'")
        browser.wait(f"document.querySelectorAll('.cell').length == {_samples(server, style='charcoal')['total']}")
        browser.press("o")
        browser.wait("document.getElementById('score').value == 'ink'")
        assert browser.ask("document.getElementById('message').textContent") == ""
    assert read_decisions(store) == {ids[0]: KEEP, ids[1]: REJECT, ids[3]: KEEP}


@pytest.mark.skipif(not PROGRAM, reason="no Chromium on this machine")
def test_a_reviewer_who_looks_at_the_undecided_sees_all_of_them(server, session, store, tmp_path):
    ids = _ids(session.page({}))
    shown = "document.querySelector('.cell.here figcaption')?.textContent.slice(0, {}) == '{}'"
    with Browser(tmp_path / "profile") as browser:
        browser.open(f"{server.url}?page=4")
        browser.wait("document.querySelectorAll('.cell').length == 4")
        browser.ask("(s => { s.value = 'undecided'; s.dispatchEvent(new Event('change')) })(document.getElementById('state'))")
        browser.wait("document.getElementById('state').value == 'undecided'")
        for sample_id in ids[:9]:
            browser.wait(shown.format(len(sample_id), sample_id))
            browser.press("k")
        browser.wait(shown.format(len(ids[9]), ids[9]))
        browser.press("ArrowLeft", "ArrowLeft")  # what lies before is decided
        browser.wait(f"document.querySelectorAll('.cell.keep').length == 1 && {shown.format(len(ids[8]), ids[8])}")
    assert read_decisions(store) == dict.fromkeys(ids[:9], KEEP)


def _keep(browser: Browser, name: str) -> None:
    folder = os.environ.get("SKEP_SCREENSHOTS")
    if folder:
        (Path(folder) / f"{name}.png").write_bytes(b64decode(browser.screenshot()))
