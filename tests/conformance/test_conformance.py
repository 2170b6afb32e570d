# SPDX-License-Identifier: MIT
"""Every row of explain, plan, binds and policy through the creel binary."""

import json
import os
import re
import tempfile

import pytest

from harness import HERE, Home, differences, rows, session_args

# Rows that ask for something that the contract decides otherwise, each with the reason.
CONTRACT = {
    "pol-0302": "the wildcard counts in the sandbox layer too: '*' allows exec (pol-0389)",
    "pol-0310": "an empty session key is the main session (cfg-0066), never a way out (D19)",
    "pol-0383": "D20: a list that names only apply_patch allows only apply_patch",
}


@pytest.fixture(scope="module")
def fixture_home():
    """One home with the fixture's files, for all rows that do not change its owner."""
    with open(HERE / "fixture-home.json", encoding="utf-8") as file:
        fixture = json.load(file)
    with tempfile.TemporaryDirectory(prefix="creel-home-") as path:
        home = Home(path)
        home.fill(fixture)
        yield home


@pytest.fixture
def home():
    """An empty home."""
    with tempfile.TemporaryDirectory(prefix="creel-home-") as path:
        yield Home(path)


def params(name, kinds=None):
    """Rows as test parameters; the known contradictions are expected to fail."""
    out = []
    for row in rows(name):
        if kinds is None or row.get("kind") in kinds:
            marks = []
            if row["id"] in CONTRACT:
                marks.append(pytest.mark.xfail(reason=CONTRACT[row["id"]], strict=True))
            if row.get("missingImage"):
                marks.append(pytest.mark.skip(reason="needs a container engine"))
            out.append(pytest.param(row, id=row["id"], marks=marks))
    return out


def issue_paths(answer):
    """The key paths of the issues, list indexes as the peer writes them."""
    found = [issue.get("path") or "" for issue in answer.get("issues", [])]
    error = answer.get("error")
    if isinstance(error, dict) and error.get("path"):
        found.append(error["path"])
    return [re.sub(r"\[(\d+)\]", r".\1", path) for path in found]


def issue_paths_raw(answer):
    """The key paths of the issues as one text."""
    return " ".join(issue.get("path") or "" for issue in answer["issues"])


def check_invalid(expect, status, answer, text):
    """The configuration is refused, and an issue stands at or below each expected path."""
    assert status == 1, text
    assert answer is not None and "error" in answer, text
    found = issue_paths(answer)
    for path in expect.get("paths", []):
        assert any(f == path or f.startswith(path + ".") or f.startswith(path + "[")
                   for f in found) or path == "", f"no issue at {path!r}: {found}"


@pytest.mark.parametrize("row", params("explain.jsonl"))
def test_explain(home, row):
    home.write(None if row.get("noConfigFile") else row["config"], row.get("files"))
    # Without a file there is nothing to take the brand from.
    extra = ["--brand", "openclaw"] if row.get("noConfigFile") else []
    status, answer, text = home.run("sandbox", "explain", *session_args(row["args"]), *extra,
                                    "--json", env=row.get("env"))
    if row["expect"].get("invalid"):
        check_invalid(row["expect"], status, answer, text)
        return
    assert status == 0, text or answer
    assert differences(row["expect"], answer, home) == []


def owner(config, expect):
    """user is the owner of the workspace unless configured; the rows were made as root."""
    if expect.get("user") == "0:0" and "0:0" not in config and os.geteuid() != 0:
        expect = dict(expect, user=f"{os.geteuid()}:{os.getegid()}")
    return expect


def compare_container(home, config, expect, got):
    expect = owner(config, dict(expect))
    mounts = [dict(m, source=home.expand(m["source"])) for m in expect.pop("mounts")]

    def in_order(mount):
        return json.dumps(mount, sort_keys=True)

    assert sorted(got["mounts"], key=in_order) == sorted(mounts, key=in_order)
    assert sorted(got["securityOpt"]) == sorted(expect.pop("securityOpt"))
    # Compared whole: a field that the row does not have must not be there (pidsLimit is free).
    rest = {key: value for key, value in got.items() if key not in ("mounts", "securityOpt")}
    if "pidsLimit" not in expect:
        rest.pop("pidsLimit", None)
    assert rest == expect


@pytest.mark.parametrize("row", params("plan.jsonl"))
def test_plan(fixture_home, home, row):
    place = fixture_home
    if row.get("setup"):
        if os.geteuid() != 0:
            pytest.skip("changes owners")
        place = home
        for step in row["setup"]:
            path = home.expand(step["path"])
            os.makedirs(path, exist_ok=True)
            os.chown(path, step["uid"], step["gid"])
    place.write(place.expand_config(row["config"]))
    status, answer, text = place.run("sandbox", "plan", *session_args(row["args"]), "--reveal",
                                     "--json")
    expect = row["expect"]
    if expect.get("invalid"):
        check_invalid(expect, status, answer, text)
    elif expect.get("refused"):
        assert status == 1 and "error" in answer, text
    else:
        assert status == 0, text or answer
        compare_container(place, row["config"], expect["container"], answer["container"])


def reason_words(reason):
    """What a rejection must say: the first words, without the path that caused it."""
    return re.sub(r" [/~].*$", "", reason)


@pytest.mark.parametrize("row", params("binds.jsonl"))
def test_binds(fixture_home, row):
    fixture_home.write(fixture_home.expand_config(row["config"]))
    status, answer, text = fixture_home.run("sandbox", "plan", *session_args(row["args"]), "--json")
    if row["expect"]["verdict"] == "accept":
        assert status == 0, text or answer
        assert any(m["target"] not in ("/workspace", "/agent")
                   for m in answer["container"]["mounts"]) or "Reserved" in row["config"]
        return
    assert status == 1 and answer is not None and "error" in answer, text or answer
    error = answer["error"]
    said = json.dumps([error, answer.get("issues")])
    if answer.get("issues"):
        # The text alone condemned it: the validator says so, at the entry.
        assert ".docker.binds" in issue_paths_raw(answer)
        return
    assert reason_words(row["expect"]["reason"]) in said


@pytest.mark.parametrize("row", params("policy.jsonl", ["match"]))
def test_match(home, row):
    status, answer, text = home.run("policy", "match", "--policy", json.dumps(row["policy"]),
                                    "--json", "--", row["tool"])
    assert status == 0, text
    expect = row["expect"]
    assert answer["allowed"] == expect["allowed"]
    assert answer["tool"] == expect["normalizedTool"]
    assert answer["rule"] == expect["rule"]


@pytest.mark.parametrize("row", params("policy.jsonl", ["blocked-message"]))
def test_blocked(home, row):
    home.write(row["config"])
    status, answer, text = home.run("policy", "check", row["tool"], "--session", row["session"],
                                    "--json")
    expect = row["expect"]
    assert answer is not None, text
    assert answer["allowed"] == (not expect["blocked"])
    if not expect["blocked"]:
        return
    assert answer["layer"] == "sandbox"
    said = answer["reason"]
    for reason in expect["reasons"]:
        assert reason in said
    for reason in {"deny list", "allow list"} - set(expect["reasons"]):
        assert reason not in said
    for key in expect["keys"]:
        assert key in answer["fix"]


@pytest.mark.parametrize("row", params("policy.jsonl", ["pipeline"]))
def test_pipeline(home, row):
    home.write(row["config"])
    args = row["args"]
    options = session_args(args)
    if args.get("senderIsOwner"):
        options.append("--owner")
    if args.get("modelProvider"):
        model = args["modelProvider"]
        if args.get("modelId"):
            model += "/" + args["modelId"]
        options += ["--provider", model]
    expect = row["expect"]
    allowed = []
    for tool in expect["universe"]:
        _, answer, text = home.run("policy", "check", tool, *options, "--json")
        assert answer is not None, text
        if answer["allowed"]:
            allowed.append(tool)
        else:
            assert answer["layer"] and answer["rule"] and answer["reason"] and answer["fix"]
    assert allowed == expect["allowed"]


def test_a_first_plan_has_steps(home):
    """Nothing of the sandbox exists yet; the plan says what would be done, and makes nothing."""
    home.write('{agents: {defaults: {sandbox: {mode: "all"}}}}')
    status, answer, text = home.run("sandbox", "plan", "--json")
    assert status == 0, text
    assert answer["backend"] == "native" and answer["steps"], answer.get("problem")
    assert not (home.path / ".openclaw" / "sandboxes").exists()


@pytest.mark.parametrize("docker, workspace", [
    ({"binds": ["/etc/ssl:/x"]}, "/etc"),
    ({"binds": ["/etc:/x"]}, "/"),
    ({"binds": ["~/.ssh:/x"]}, "~"),
    ({"binds": ["~/.openclaw/workspace/proj:/run"]}, "~/.openclaw/workspace"),
    ({"workdir": "/proc"}, "~/.openclaw/workspace"),
])
def test_no_workspace_opens_what_is_blocked(fixture_home, docker, workspace):
    fixture_home.write(fixture_home.expand_config(json.dumps({"agents": {"defaults": {
        "workspace": workspace, "sandbox": {"mode": "all", "docker": docker}}}})))
    status, answer, text = fixture_home.run("sandbox", "plan", "--json")
    assert status == 1 and "error" in answer, text or answer


def test_a_request_that_is_no_text_is_refused(home):
    home.write('{agents: {defaults: {sandbox: {mode: "all"}}}}')
    for command in (["sandbox", "explain"], ["sandbox", "plan"], ["policy", "check", "exec"]):
        status, answer, text = home.run(*command, "--session", b"agent:main:\xff", "--json")
        assert status == 1 and "UTF-8" in answer["error"]["message"], text
