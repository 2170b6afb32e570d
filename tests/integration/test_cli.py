"""The command line itself: help, mistakes, completions, and the commands that only look."""
import json
import shutil
import subprocess

import pytest

from sandbox import write_config
from support import ROOT, need

COMMANDS = ["exec", "tool", "doctor", "selftest", "sandbox explain", "sandbox plan",
            "sandbox list", "sandbox recreate", "sandbox rm", "sandbox prune", "policy check", "policy match",
            "config validate", "config get", "config migrate", "config schema", "config docs",
            "completion"]


def test_version(creel):
    done = creel("--version")
    assert done.returncode == 0 and done.stdout.startswith("creel 0.") and done.stderr == ""


@pytest.mark.parametrize("args", [["help"], ["--help"], ["-h"]])
def test_the_overview_names_every_command(creel, args):
    done = creel(*args)
    assert done.returncode == 0
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command(creel, name):
    asked = creel("help", *name.split())
    option = creel(*name.split(), "--help")
    assert asked.returncode == option.returncode == 0
    assert asked.stdout == option.stdout
    assert asked.stdout.startswith(f"usage: creel {name} ")
    assert max(map(len, asked.stdout.splitlines())) <= 100


@pytest.mark.parametrize("args,message", [
    ([], "no command given; 'creel help' lists them"),
    (["exce"], "there is no command 'exce', did you mean 'exec'?"),
    (["sandbox"], "sandbox: which one: explain, plan, list, recreate, rm, prune, stage"),
    (["sandbox", "explian"], "sandbox: there is no 'explian', did you mean 'explain'?"),
    (["exec"], "exec: needs CMD [ARG...]"),
    (["exec", "--agnet", "x", "--", "true"], "exec: there is no option '--agnet', did you mean '--agent'?"),
    (["exec", "--timeout", "soon", "true"],
     "exec: option '--timeout' takes a time above 0 like 30, 0.5, 2m or 1h, not 'soon'"),
    (["doctor", "extra"], "doctor: takes no arguments, and there is one argument too many: 'extra'"),
    (["completion", "tcsh"], "completion: takes bash, zsh or fish, not 'tcsh'"),
    (["--brand", "verso", "doctor"], "options stand behind the command: creel COMMAND --brand"),
    (["policy", "match", "exec"], "policy match: option '--policy' is needed"),
])
def test_a_mistake_is_one_line_and_status_2(creel, args, message):
    done = creel(*args)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"creel: {message}\n")


def test_a_mistake_as_json(creel):
    done = creel("doctor", "--bogus", "--json")
    assert (done.returncode, done.stderr) == (2, "")
    assert json.loads(done.stdout)["error"] == {
        "code": "usage", "message": "doctor: there is no option '--bogus'; 'creel help doctor' lists them",
        "hint": None, "file": None, "path": None, "line": None, "column": None}


# --- completions ---------------------------------------------------------------------------------

def complete(creel, *words):
    """What bash offers after these words."""
    script = creel("completion", "bash").stdout + """
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _creel; printf '%s\\n' "${COMPREPLY[@]}"
"""
    done = subprocess.run(["bash", "-c", script, "bash", "creel", *words], capture_output=True,
                          text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("words,offered", [
    (["ex"], {"exec"}), (["con"], {"config"}), (["sandbox", ""], {"explain", "plan"}),
    (["sandbox", "explain", "--se"], {"--session", "--sender"}), (["exec", "--el"], {"--elevated"}),
    (["completion", ""], {"bash", "zsh", "fish"}), (["exec", "--brand", "cla"], {"clawdbot"}),
    (["exec", "--", "pytho"], {"python3"})])
def test_bash_completes(creel, words, offered):
    assert offered <= set(complete(creel, *words))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_sound(creel, shell, tmp_path):
    script = tmp_path / "script"
    script.write_text(creel("completion", shell).stdout)
    if shell != "bash" and not shutil.which(shell):
        pytest.skip(f"no {shell} on this machine")
    subprocess.run([shell, "-n", script], check=True)


# --- manual --------------------------------------------------------------------------------------

@pytest.mark.parametrize("page", sorted(p.name for p in (ROOT / "man").glob("*.scd")))
def test_manual_pages_are_sound(page):
    need(shutil.which("scdoc"), "scdoc is not installed")
    made = subprocess.run(["scdoc"], input=(ROOT / "man" / page).read_bytes(), capture_output=True,
                          check=False)
    assert made.returncode == 0, made.stderr
    if shutil.which("man"):
        shown = subprocess.run(["man", "-l", "--warnings=all", "-"], input=made.stdout,
                               capture_output=True, check=False)
        assert shown.returncode == 0 and shown.stderr == b""


# --- explain, plan, policy -----------------------------------------------------------------------

def test_explain(creel, home):
    write_config(home, mode="non-main")
    said = creel("sandbox", "explain", "--json")
    assert said.returncode == 0
    answer = json.loads(said.stdout)
    assert answer["sandbox"]["mode"] == "non-main" and not answer["sandbox"]["sessionIsSandboxed"]
    assert answer["provenance"]["sandbox.mode"] == "agents.defaults.sandbox.mode"
    other = json.loads(creel("sandbox", "explain", "--session", "agent:main:x", "--json").stdout)
    assert other["sandbox"]["sessionIsSandboxed"]
    text = creel("sandbox", "explain")
    assert text.returncode == 0 and "agents.defaults.sandbox.mode" in text.stdout


def test_explain_changes_nothing(creel, home):
    write_config(home, workspaceAccess="none")
    before = sorted(home.rglob("*"))
    assert creel("sandbox", "explain").returncode == 0
    assert creel("sandbox", "plan").returncode == 0
    assert sorted(home.rglob("*")) == before


def test_explain_without_any_configuration(creel):
    answer = json.loads(creel("sandbox", "explain", "--json").stdout)
    assert answer["sandbox"]["mode"] == "all"
    assert answer["provenance"]["sandbox.mode"] == "default"


def test_explain_of_a_broken_configuration(creel, home):
    path = home / "broken.json"
    path.write_text("{ agents: { defaults: { sandbox: {\n mod: 1,\n scope: 'x',\n} } } }")
    done = creel("sandbox", "explain", "--config", path, "--json")
    assert done.returncode == 1 and done.stderr == ""
    answer = json.loads(done.stdout)
    assert answer["error"]["code"] == "config_invalid"
    assert [(i["path"], i["line"], i["column"]) for i in answer["issues"]] == [
        ("agents.defaults.sandbox", 2, 2), ("agents.defaults.sandbox.scope", 3, 9)]
    assert "'mode'" in answer["issues"][0]["hint"]
    text = creel("sandbox", "explain", "--config", path)
    assert text.returncode == 1 and text.stdout == ""
    assert f"{path}:2:2:" in text.stderr and "^" in text.stderr and "did you mean 'mode'?" in text.stderr


def test_plan(creel, home, workspace):
    write_config(home, docker={"env": {"API_TOKEN": "s3cret", "PLAIN": "x"}, "memory": "1g"})
    answer = json.loads(creel("sandbox", "plan", "--workspace", workspace).stdout)
    assert answer["backend"] == "native"
    container = answer["container"]
    assert container["mounts"] == [{"source": str(workspace), "target": "/workspace", "readOnly": False}]
    assert container["memory"] == 1 << 30 and container["network"] == "none"
    assert container["env"]["PLAIN"] == "x" and container["env"]["API_TOKEN"] != "s3cret"
    shown = json.loads(creel("sandbox", "plan", "--workspace", workspace, "--reveal").stdout)
    assert shown["container"]["env"]["API_TOKEN"] == "s3cret"
    assert shown["configHash"] == answer["configHash"]


def test_plan_names_its_steps(creel, home, workspace):
    write_config(home)
    steps = json.loads(creel("sandbox", "plan", "--workspace", workspace).stdout)["steps"]
    text = json.dumps(steps)
    for word in ("pivot", "seccomp", "landlock", "capabilities"):
        assert word in text.lower()


def test_policy_check(creel):
    denied = json.loads(creel("policy", "check", "browser", "--json").stdout)
    assert not denied["allowed"] and denied["layer"] == "sandbox" and denied["rule"] and denied["reason"]
    assert "tools.sandbox.tools.deny" in denied["fix"]
    allowed = json.loads(creel("policy", "check", "bash", "--json").stdout)
    assert allowed["allowed"] and allowed["tool"] == "exec"
    text = creel("policy", "check", "browser")
    assert text.returncode == 0 and "tools.sandbox.tools.deny" in text.stdout


def test_policy_match(creel):
    done = creel("policy", "match", "--policy", '{"allow": ["group:fs"], "deny": ["write"]}', "write", "--json")
    assert json.loads(done.stdout)["rule"] == {"list": "deny", "entries": ["write"]}
    for policy in ("[", "[]", '{"a":1,"a":2}'):
        assert creel("policy", "match", "--policy", policy, "x").returncode == 2


# --- config --------------------------------------------------------------------------------------

def test_config_get(creel, home):
    path = write_config(home, scope="agent", docker={"env": {"API_TOKEN": "s3cret"}})
    assert creel("config", "get", "agents.defaults.sandbox.scope").stdout == "agent\n"
    full = json.loads(creel("config", "get", "agents.defaults.sandbox.scope", "--json").stdout)
    assert (full["value"], full["source"], full["file"], full["line"]) == ("agent", "file", str(path), 1)
    default = json.loads(creel("config", "get", "agents.defaults.sandbox.docker.pidsLimit", "--json").stdout)
    assert (default["value"], default["source"]) == (512, "default")
    done = creel("config", "get", "agents.nonsense")
    assert done.returncode == 1 and done.stdout == "" and "agents.nonsense" in done.stderr
    assert "s3cret" not in creel("config", "get", "agents").stdout
    assert "s3cret" in creel("config", "get", "agents", "--reveal").stdout


def test_config_validate(creel, home):
    path = write_config(home)
    done = creel("config", "validate")
    assert done.returncode == 0 and str(path) in done.stdout
    broken = home / "broken.json"
    broken.write_text("{ nonsense: 1 }")
    done = creel("config", "validate", broken)
    assert done.returncode == 1 and done.stdout == "" and f"{broken}:1:3" in done.stderr
    answer = json.loads(creel("config", "validate", "--json").stdout)
    assert answer["valid"] and answer["brand"] == "creel"


def test_config_migrate(creel, home):
    path = home / "clawdbot.json"
    old = "{\n  // mine\n  agent: { sandbox: { mode: 'all' } },\n}\n"
    path.write_text(old)
    path.chmod(0o640)
    shown = creel("config", "migrate", path)
    assert shown.returncode == 0 and "agents" in shown.stdout and "// mine" in shown.stdout
    assert path.read_text() == old
    done = creel("config", "migrate", path, "--write")
    assert done.returncode == 0, done.stderr
    assert path.read_text() == shown.stdout
    assert path.stat().st_mode & 0o777 == 0o640
    assert (home / "clawdbot.json.bak").read_text() == old
    again = creel("config", "migrate", path, "--write")
    assert again.returncode == 0 and not (home / "clawdbot.json.bak.1").exists()


def test_config_schema_accepts_what_creel_accepts(creel, home):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(creel("config", "schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(json.loads(write_config(home).read_text()))
    assert not validator.is_valid({"agents": {"defaults": {"sandbox": {"mode": "al"}}}})


def test_output_to_a_full_disk_is_an_error(creel_bin):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([creel_bin, "config", "docs"], stdout=full, stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "creel: cannot write to standard output: No space left on device\n"
