"""What lasting containers cost, on a private engine that is started for it."""
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

for folder in ("tests/integration", "tests"):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / folder))
try:
    from engine import IMAGE, Engine, why_not
except ImportError as missing:
    WHY = f"the engine of the tests cannot be used: {missing}"
else:
    WHY = why_not()

LISTED = 200
TOOL_ROUNDS, TOOL_RUNS = 200, 3
# `docker exec` through the original's gateway, which starts a client for each call.
PEER_EXEC_MS = 94
NAME = "creel-sbx-agent-main-main-6d9217fe"
# As src/backend/docker/create.c asks for it.
HARDENED = ["--read-only", "--network", "none", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
            "--pids-limit", "512", "--tmpfs", "/tmp", "--tmpfs", "/var/tmp", "--tmpfs", "/run",
            "--log-driver", "none", "--ipc", "private", "--user", "1000:1000", "--workdir", "/workspace"]


def tool_times(directory, env, *config):
    """What bench-tools prints: name -> median in microseconds."""
    argv = [directory / "bench/bench-tools", directory / "src/init/creel-init", str(TOOL_ROUNDS), *config]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    found = (re.match(r"(\S.*?)  +(\d+) +\d+ +\d+ ", line) for line in done.stdout.splitlines())
    return {match[1]: int(match[2]) for match in found if match}


def tools(report, directory, config, env, docker_exec):
    """Native and docker in turns, so that both see the same machine; of each the best of its runs."""
    runs = [(tool_times(directory, env), tool_times(directory, env, config)) for _ in range(TOOL_RUNS)]
    native, docker = ({name: min(run[side][name] for run in runs) for name in runs[0][side]} for side in (0, 1))
    exec_us, spawn_us = docker["exec true"], docker["posix_spawn of true"]
    report.say(f"### Tool calls in a live container (`bench-tools`, best median of {TOOL_RUNS} runs, microseconds)")
    report.say()
    report.say("| call | native | docker | more | goal |")
    report.say("|---|---:|---:|---:|---|")
    for name, took in docker.items():
        goal = "at most 100 more" if name in ("read of 4 KiB", "write of 4 KiB", "edit") else ""
        report.say(f"| {name} | {native[name]} | {took} | {took - native[name]} | {goal} |")
    report.say()
    report.say(f"`exec true` takes {exec_us / spawn_us:.2f} times as long as `posix_spawn` (goal: at most 1.6); `docker exec` "
               f"takes {docker_exec[len(docker_exec) // 2] / exec_us:.0f} times as long as it (goal: at least 50).")
    report.say()


def fill(engine, env, creel):
    """Two hundred containers that this instance would call its own, none of them running."""
    def listed():
        done = subprocess.run([creel, "sandbox", "list", "--json"], env=env, capture_output=True, check=True)
        return len(json.loads(done.stdout)["containers"])

    made = engine.inspect(NAME)
    for n in range(LISTED - listed()):
        key = f"agent:main:bench{n}"
        status, answer = engine.ask("POST", f"/containers/create?name=creel-sbx-bench{n}", {
            "Image": made["Config"]["Image"], "Cmd": ["true"],
            "Labels": {**made["Config"]["Labels"], "creel.sessionKey": key}})
        if status != 201:
            raise RuntimeError(answer)
    assert listed() == LISTED


def run(report, measure, creel, directory, home, workspace, env, rounds):
    """Sections of the report, or nothing where no engine can be started."""
    docker = shutil.which("docker")
    if WHY or not docker:
        print(f"left out: containers: {WHY or 'docker is not installed'}", file=sys.stderr)
        return
    engine = Engine()
    try:
        engine.start()
        engine.make_image()
        sections(report, measure, creel, docker, engine, directory, home, workspace, env, rounds)
    finally:
        engine.stop()


def gateway(report, directory, env, sandbox):
    """The same calls through a gateway, beside the library and beside what another one takes."""
    done = subprocess.run([directory / "bench/bench-http", directory / "src/init/creel-init",
                           directory / "src/broker/creel-gateway", "300",
                           json.dumps({**sandbox, "scope": "shared"})],
                          env=env, capture_output=True, text=True, check=False)
    report.say("### Tool calls in a live container, through a gateway (`bench-http`)")
    report.say()
    report.say("```")
    report.say((done.stdout or done.stderr).rstrip())
    report.say("```")
    report.say()
    found = re.search(r"^exec true\n.*\n  POST /tools/invoke +(\d+)", done.stdout, re.M)
    if found:
        report.say(f"exec is {PEER_EXEC_MS * 1000 / int(found[1]):.0f} times as fast as the peer's {PEER_EXEC_MS} ms "
                   "(measured on the machine of the goals).")
        report.say()
    report.say("Goals: exec at most 1.3 × the library, and 70 times as fast as the peer's.")
    report.say()


def sections(report, measure, creel, docker, engine, directory, home, workspace, env, rounds):
    os.chown(workspace, 1000, 1000)
    config = json.dumps({"agents": {"defaults": {"sandbox": {
        "mode": "all", "workspaceAccess": "rw", "backend": "docker",
        "docker": {"socket": str(engine.socket)}}}}})
    (home / ".creel/creel.json").write_text(config)
    env = {**env, "DOCKER_HOST": engine.host}
    execute = [creel, "exec", "--workspace", str(workspace)]
    subprocess.run([*execute, "--", "true"], env=env, check=True)
    commands = measure({
        "docker exec NAME true": [docker, "exec", NAME, "true"],
        "creel exec -- true": [*execute, "--", "true"],
        "true": ["/bin/true"]}, min(rounds, 50), env)
    report.table("A command in a live container", commands, "docker exec NAME true", {})
    report.table("A new container", measure({
        "docker run --rm IMAGE true, as hardened": [
            docker, "run", "--rm", *HARDENED, "-v", f"{workspace}:/workspace", IMAGE, "true"],
        "creel exec --once -- true": [*execute, "--once", "--", "true"]}, 20, env),
        "docker run --rm IMAGE true, as hardened", {"creel exec --once -- true": "at most 1.1"})
    tools(report, directory, config, env, commands["docker exec NAME true"])
    gateway(report, directory, env, json.loads(config)["agents"]["defaults"]["sandbox"])
    fill(engine, env, creel)
    report.table(f"{LISTED} sandboxes", measure({
        "creel sandbox list --json": [creel, "sandbox", "list", "--json"],
        "docker ps --all": [docker, "ps", "--all", "--quiet"]}, min(rounds, 50), env),
        "docker ps --all", {"creel sandbox list --json": "at most 50 ms"})
