# SPDX-License-Identifier: MIT
"""The rows of documented.jsonl that the policy, its configuration and the binds decide.

slug, scope-key, container-name, config-hash, alias and directive rows have no command of their own:
tests/unit/policy and tests/unit/sandbox have them as cases.
"""

import json
import tempfile

import pytest

from harness import Home, rows

# Facts that the contract replaces.
CONTRACT = {
    "scope-01": ("D1", {"scope": "session"}),
}


def area(*names):
    """The rows of some areas."""
    return [pytest.param(row, id=row["id"]) for row in rows("documented.jsonl")
            if row["area"] in names]


def expected(row):
    return CONTRACT[row["id"]][1] if row["id"] in CONTRACT else row["expect"]


@pytest.fixture
def home():
    with tempfile.TemporaryDirectory(prefix="creel-home-") as path:
        yield Home(path)


def explain(home, config, *args):
    home.write(json.dumps(config))
    status, answer, text = home.run("sandbox", "explain", *args, "--json")
    assert status == 0, text or answer
    return answer


def plan(home, config, *args):
    home.write(json.dumps(config))
    return home.run("sandbox", "plan", *args, "--reveal", "--json")


def with_docker(docker, agent=None, **sandbox):
    """A configuration with one agent, its docker block and the one for all agents."""
    entry = {"id": "main"}
    if agent is not None:
        entry["sandbox"] = {"docker": agent}
    return {"agents": {"defaults": {"sandbox": {"mode": "all", "docker": docker, **sandbox}},
                       "list": [entry]}}


@pytest.mark.parametrize("row", area("mode"))
def test_mode(home, row):
    given = row["input"]
    agent = given.get("agent", {"id": "main"})
    entry = {"id": agent["id"], "sandbox": {k: v for k, v in agent.items() if k != "id"}}
    config = {"agents": {"defaults": {"sandbox": given.get("cfg", given.get("defaults"))},
                         "list": [entry]}}
    if "session" in given:
        config["session"] = given["session"]
    answer = explain(home, config, "--session", given["sessionKey"])
    assert answer["sandbox"]["sessionIsSandboxed"] == row["expect"]["sandboxed"]
    assert answer["sandbox"]["mode"] == row["expect"].get("mode", answer["sandbox"]["mode"])
    if "mainSessionKey" in row["expect"]:
        assert answer["mainSessionKey"] == row["expect"]["mainSessionKey"]


@pytest.mark.parametrize("row", area("scope"))
def test_scope(home, row):
    given = row["input"]
    both = given if "global" in given else {"global": given}
    config = {"agents": {"defaults": {"sandbox": both["global"]},
                         "list": [{"id": "main", "sandbox": both.get("agent", {})}]}}
    assert explain(home, config)["sandbox"]["scope"] == expected(row)["scope"]


@pytest.mark.parametrize("row", area("network"))
def test_network(home, row):
    docker = {"dangerouslyAllowContainerNamespaceJoin": row["input"]["allowJoin"]}
    if row["input"]["network"] is not None:
        docker["network"] = row["input"]["network"]
    status, answer, text = plan(home, with_docker(docker))
    assert (status == 0) == row["expect"]["ok"], text or answer


@pytest.mark.parametrize("row", area("profile"))
def test_profile(home, row):
    status, answer, text = plan(home, with_docker({row["input"]["kind"] + "Profile":
                                                   row["input"]["value"]}))
    assert (status == 0) == row["expect"]["ok"], text or answer


@pytest.mark.parametrize("row", area("bind"))
def test_bind(home, row):
    given = row["input"]
    if row["expect"]["ok"]:
        pytest.skip("the source does not exist here: D18 and the allowed roots come first")
    workspace = home.path / ".openclaw" / "workspace"
    outside = home.path / "dir"
    workspace.mkdir(parents=True)
    outside.mkdir()
    names = {"<ws>": str(workspace), "<dir>": str(outside), given.get("home", "\0"): str(home.path)}

    def put_in(text):
        for name, path in names.items():
            text = text.replace(name, path)
        return text

    for link, target in given.get("symlinks", {}).items():
        (home.path / put_in(link)).symlink_to(target)
    docker = {"binds": [put_in(given["bind"])]}
    if given.get("allowExternal"):
        docker["dangerouslyAllowExternalBindSources"] = True
    status, answer, text = plan(home, with_docker(docker))
    assert status == 1, text or answer
    said = json.dumps(answer)
    match = row["expect"].get("match", "blocked path").replace("non-absolute", "absolute")
    assert match.replace('"', '\\"') in said


@pytest.mark.parametrize("row", area("docker-merge"))
def test_docker_merge(home, row):
    given, expect = row["input"], row["expect"]
    if expect.get("binds"):
        pytest.skip("the sources do not exist here; the unit tests merge these")
    status, answer, text = plan(home, with_docker(given["global"], given["agent"],
                                                  scope=given["scope"]))
    assert status == 0, text or answer
    container = answer["container"]
    for key, value in expect.items():
        if key == "ulimits":
            value = {name: limit if isinstance(limit, dict) else {"soft": limit, "hard": limit}
                     for name, limit in value.items()}
        if key == "containerPrefix":
            assert container["name"].startswith(value)
        elif key == "binds":
            assert len(container["mounts"]) == 1
        elif not key.startswith("dangerously"):
            assert container[key] == value


@pytest.mark.parametrize("row", area("prune-merge"))
def test_prune_merge(home, row):
    given = row["input"]
    config = {"agents": {"defaults": {"sandbox": {"scope": given["scope"],
                                                  "prune": given["global"]}},
                         "list": [{"id": "main", "sandbox": {"prune": given["agent"]}}]}}
    assert explain(home, config)["prune"] == row["expect"]


@pytest.mark.parametrize("row", area("policy"))
def test_policy(home, row):
    status, answer, text = home.run("policy", "match", "--policy",
                                    json.dumps(row["input"]["policy"]), "--json", "--",
                                    row["input"]["tool"])
    assert status == 0, text
    assert answer["allowed"] == row["expect"]["allowed"]


@pytest.mark.parametrize("row", area("alias"))
def test_alias(home, row):
    _, answer, text = home.run("policy", "match", "--policy", "{}", "--json", "--", row["input"])
    assert answer is not None, text
    assert answer["tool"] == row["expect"]


def sandbox_tools(policy):
    return {"sandbox": {"tools": policy}}


@pytest.mark.parametrize("row", area("sandbox-policy"))
def test_sandbox_policy(home, row):
    given = row["input"]
    config = {"tools": sandbox_tools(given.get("global", {})),
              "agents": {"list": [{"id": "main",
                                   "tools": sandbox_tools(given.get("agent", {}))}]}}
    tools = explain(home, config)["sandbox"]["tools"]
    if "allow" in row["expect"]:
        assert tools["allow"] == row["expect"]["allow"]
    if "imageInAllow" in row["expect"]:
        assert ("image" in tools["allow"]) == row["expect"]["imageInAllow"]


@pytest.mark.parametrize("row", area("sandbox-policy-message"))
def test_sandbox_policy_message(home, row):
    given = row["input"]
    home.write(json.dumps({"agents": {"defaults": {"sandbox": {"mode": given["mode"]}}},
                           "tools": sandbox_tools({"deny": given["deny"]})}))
    _, answer, text = home.run("policy", "check", given["tool"], "--session", given["sessionKey"],
                               "--json")
    assert answer is not None, text
    for part in row["expect"]["contains"]:
        assert part in answer["message"]


@pytest.mark.parametrize("row", area("subagent"))
def test_subagent(home, row):
    given = row["input"]
    depth = given["depth"] if given["depth"] is not None else 1
    home.write(json.dumps({"agents": {"defaults": {"subagents":
                                                   {"maxSpawnDepth": given["maxSpawnDepth"]}}}}))
    _, answer, text = home.run("policy", "check", given["tool"], "--owner", "--session",
                               "agent:main" + ":subagent:x" * depth, "--json")
    assert answer is not None, text
    assert answer["allowed"] == row["expect"]["allowed"]


@pytest.mark.parametrize("row", area("elevated"))
def test_elevated(home, row):
    given = row["input"]
    number = given["sender"].get("SenderE164")
    if number is None:
        pytest.skip("a sender's name cannot be given on the command line; the unit tests do")
    home.write(json.dumps({"agents": {"defaults": {"sandbox": {"mode": "all"}}},
                           "tools": {"elevated": {"allowFrom": given["allowFrom"]}}}))
    _, answer, text = home.run("sandbox", "explain", "--sender", "whatsapp:" + number, "--json")
    assert answer is not None, text
    elevated = answer["elevated"]
    assert elevated["enabled"] == row["expect"]["enabled"]
    assert elevated["allowedByConfig"] == row["expect"]["allowed"]
    assert len(elevated["failures"]) == row["expect"]["failures"]
