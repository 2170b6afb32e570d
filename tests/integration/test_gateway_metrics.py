"""What Prometheus scrapes: the exposition format, read strictly, and each family after what it counts."""
import os
import re
import signal

import pytest

from gateway import ADMIN, Gateway, UnixConnection, wait_for

TOKENS = [{"name": "admin", "token": ADMIN, "admin": True},
          {"name": "team", "token": "team", "sessions": ["agent:main:team-*"]}]
SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?[0-9]+(?:\.[0-9]+)?)')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')


def labels_of(text):
    found = []
    while text:
        match = LABEL.match(text)
        assert match, text
        found.append((match[1], match[2]))
        text = text[match.end():]
    assert len({name for name, _ in found}) == len(found), f"a label twice: {found}"
    return tuple(found)


class Scrape:
    """Version 0.0.4: each family once, HELP and TYPE before its samples, no sample twice."""

    def __init__(self, text):
        assert text.endswith("\n")
        self.types, self.samples = {}, {}
        self.family = None
        helped = None
        for line in text.splitlines():
            if line.startswith("# HELP "):
                helped = line.split(" ", 3)[2]
                assert line.split(" ", 3)[3] and helped not in self.types, line
            elif line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                assert name == helped and name not in self.types, line
                assert kind in ("counter", "gauge", "histogram"), line
                self.types[name], self.family = kind, name
            else:
                self.sample(line)
        self.check_histograms()

    def sample(self, line):
        match = SAMPLE.fullmatch(line)
        assert match, line
        name, labels = match[1], labels_of(match[2] or "")
        kind = self.types[self.family]
        names = [self.family + end for end in ("_bucket", "_sum", "_count")] if kind == "histogram" else [self.family]
        assert name in names, line
        assert (kind == "counter") == name.endswith("_total"), line
        assert (name, labels) not in self.samples, f"twice: {line}"
        self.samples[name, labels] = float(match[3])

    def check_histograms(self):
        for name in [n for n, kind in self.types.items() if kind == "histogram"]:
            for (of, labels), count in self.samples.items():
                if of != f"{name}_count":
                    continue
                buckets = [(float(dict(l)["le"].replace("+Inf", "inf")), value)
                           for (b, l), value in self.samples.items()
                           if b == f"{name}_bucket" and tuple(x for x in l if x[0] != "le") == labels]
                assert buckets == sorted(buckets) and buckets[-1] == (float("inf"), count)
                assert [v for _, v in buckets] == sorted(v for _, v in buckets)

    def __call__(self, name, **labels):
        return self.samples.get((name, tuple(labels.items())), 0)


def scrape(gateway):
    connection = UnixConnection(gateway.state / "creel.sock", 30)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.getheader("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    return Scrape(answer.read().decode())


@pytest.fixture
def gateway(home):
    gateway = Gateway(home, tokens=TOKENS)
    gateway.extra = {"tools": {"sandbox": {"tools": {"deny": ["write"]}}, "fs": {"workspaceOnly": True},
                               "elevated": {"enabled": True, "allowFrom": {"x": ["1"]}}}}
    gateway.write_config()
    gateway.start()
    yield gateway
    gateway.finish()


def test_each_family_counts(gateway):
    before = scrape(gateway)
    assert before("creel_start_time_seconds") > 1e9
    assert before("creel_audit_failures_total") == before("creel_restarts_total", process="front") == 0
    gateway.call("exec", command="head -c 300000 /dev/zero >&2; sleep 60", background=True)
    gateway.call("exec", command="true")
    gateway.invoke("read", {"path": "nothing"})
    gateway.invoke("write", {"path": "a", "content": "b"})  # by policy
    gateway.invoke("exec", {"command": "true", "elevated": True})
    gateway.call("exec", command="true", elevated=True, session="other", sender={"provider": "x", "id": "1"})
    gateway.invoke("exec", {"command": "true"}, token="wrong")
    gateway.invoke("exec", {"command": "true"}, token="team")
    gateway.write_config("{")
    wait_for(lambda: scrape(gateway)("creel_config_reloads_total", outcome="failed"), "the bad file to be seen")
    gateway.write_config()
    wait_for(lambda: scrape(gateway)("creel_config_reloads_total", outcome="ok"), "the good file to be seen")
    now = scrape(gateway)
    for key, value in before.samples.items():
        if key[0].endswith(("_total", "_bucket", "_count", "_sum")):
            assert now.samples[key] >= value, key
    assert set(now.types) == set(before.types)
    assert now("creel_calls_total", tool="exec", outcome="ok") == 3
    assert now("creel_calls_total", tool="write", outcome="denied") == 1
    assert now("creel_call_duration_seconds_count", tool="exec") >= 2
    assert now("creel_acquire_duration_seconds_count", backend="native") >= 1
    rules = {labels["rule"]: count for labels, count in
             ((dict(l), c) for (n, l), c in now.samples.items() if n == "creel_denials_total")}
    assert rules["token"] == 1 and rules["gateway.tokens"] == 1
    assert any("tools.sandbox.tools" in rule for rule in rules), rules
    assert rules["elevated"] == 1
    assert now("creel_elevations_total", outcome="allowed") == 1
    assert now("creel_elevations_total", outcome="unavailable") == 1
    assert now("creel_sandboxes", backend="native", state="running") == 2
    assert now("creel_sandboxes_held") == 2
    assert now("creel_sessions") >= 1 and now("creel_processes") == 1
    assert now("creel_sandbox_bytes_total", direction="out") > 300000
    assert now("creel_sandbox_bytes_total", direction="in") > 0
    for queue in ("calls", "acquires", "approvals", "asks"):
        assert ("creel_queue_depth", (("queue", queue),)) in now.samples
    assert now("creel_http_received_bytes_total") > before("creel_http_received_bytes_total")
    assert now("creel_http_answers_total", **{"class": "4xx"}) >= 4
    assert now("creel_http_connections", state="busy") >= 1


def test_after_a_death_of_the_front(gateway):
    gateway.call("exec", command="true")
    front = gateway.front()
    os.kill(front, signal.SIGKILL)
    gateway.wait_ready()
    wait_for(lambda: gateway.front() != front, "another front")
    now = scrape(gateway)
    assert now("creel_restarts_total", process="front") == 1
    assert now("creel_sandboxes", backend="native", state="running") == 1
    assert now("creel_sandboxes_held") == 0
    gateway.creel("sandbox", "recreate", "--all", "--force")
    assert scrape(gateway)("creel_sandboxes", backend="native", state="running") == 0


def test_a_log_that_cannot_be_written_is_counted(gateway):
    log, away = gateway.state / "audit.jsonl", gateway.state / "away"
    log.rename(away)
    log.mkdir()
    gateway.invoke("read", {"path": "nothing"})
    assert wait_for(lambda: scrape(gateway)("creel_audit_failures_total"), "the failure")
    log.rmdir()
    away.rename(log)
    failed = scrape(gateway)("creel_audit_failures_total")
    assert gateway.invoke("read", {"path": "nothing"})[0] == 404
    assert scrape(gateway)("creel_audit_failures_total") == failed
    assert gateway.creel("audit", "verify").returncode == 0
