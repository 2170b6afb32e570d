"""The command line with a running gateway: commands go through it, the daemon is asked and stopped."""
import json
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway import Gateway, UnixConnection, wait_for
from support import BASE_ENV, find_creel


def test_exec_streams_through_the_gateway(gateway):
    done = gateway.creel("exec", "--", "sh", "-c", "echo out; echo err >&2; exit 5")
    assert (done.returncode, done.stdout, done.stderr) == (5, "out\n", "err\n")
    assert gateway.status()["sandboxes"] == 1
    # The same sandbox as a tool call's.
    gateway.call("exec", command="echo kept > file")
    assert gateway.creel("exec", "--", "cat", "file").stdout == "kept\n"


@pytest.mark.parametrize("command,status", [
    (["nosuch-command"], 127), (["sh", "-c", "kill -9 $$"], 137), (["/etc"], 126)])
def test_statuses(gateway, command, status):
    assert gateway.creel("exec", "--", *command).returncode == status


def test_timeout_ends_the_tree(gateway):
    done = gateway.creel("exec", "--timeout", "0.3", "--", "sh", "-c", "sleep 1000 & sleep 1000")
    assert done.returncode == 124
    assert "sleep" not in gateway.text("exec", command="cat /proc/[0-9]*/comm")


def test_much_input_and_output(gateway):
    data = bytes(range(256)) * 20000
    done = subprocess.run([find_creel(), "exec", "--", "cat"], input=data, capture_output=True,
                          env={**BASE_ENV, "HOME": str(gateway.home)}, timeout=60, check=False)
    assert done.returncode == 0 and done.stdout == data


def test_a_killed_command_line_takes_its_command_along(gateway):
    process = subprocess.Popen([find_creel(), "exec", "--", "sleep", "1000"],
                               env={**BASE_ENV, "HOME": str(gateway.home)}, stdin=subprocess.DEVNULL)
    count = lambda: gateway.text("exec", command="cat /proc/[0-9]*/comm").split().count("sleep")  # noqa: E731
    wait_for(lambda: count() == 1, "the command to start")
    process.kill()
    process.wait()
    wait_for(lambda: count() == 0, "the command to end")


def test_term_is_passed_on(gateway):
    process = subprocess.Popen(
        [find_creel(), "exec", "--", "sh", "-c", "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.01; done"],
        env={**BASE_ENV, "HOME": str(gateway.home)}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.read() == b"got\n"
    assert process.wait(20) == 9


def test_policy_holds_for_who_is_no_administrator(home):
    gateway = Gateway(home, tokens=[{"name": "reader", "token": "reader", "tools": ["read"]}])
    try:
        gateway.start()
        connection = UnixConnection(gateway.state / "creel.sock", 30)
        connection.request("POST", "/v1/exec", "{}", {
            "Authorization": "Bearer reader", "Content-Type": "application/json",
            "Connection": "Upgrade", "Upgrade": "creel-frames"})
        answer = connection.getresponse()
        assert answer.status == 403 and json.loads(answer.read())["error"]["type"] == "denied"
        assert gateway.status()["sandboxes"] == 0
    finally:
        gateway.finish()


def test_status_and_stop(gateway):
    status = json.loads(gateway.creel("gateway", "status", "--json").stdout)
    assert status["pid"] == gateway.process.pid and status["front"]["ready"]
    gateway.call("exec", command="sleep 1000", background=True)
    assert gateway.creel("gateway", "stop").returncode == 0
    assert gateway.process.wait(10) == 0
    assert gateway.sandboxes()  # and they stay
    for command in ("status", "stop"):
        done = gateway.creel("gateway", command)
        assert done.returncode == 1 and "no gateway runs" in done.stderr
    # A socket that a killed gateway left stands in nobody's way.
    gateway.start()
    gateway.kill()
    assert (gateway.state / "creel.sock").exists()
    assert gateway.creel("gateway", "status").returncode == 1
    assert gateway.creel("exec", "--once", "--", "true").returncode == 0
    gateway.start()


def test_stop_lets_calls_finish(gateway):
    gateway.call("exec", command="mkfifo go")
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(gateway.text, "exec", command="cat go; echo finished")
        wait_for(lambda: "cat" in gateway.text("exec", command="cat /proc/[0-9]*/comm").split()[:-1], "the call")
        gateway.process.terminate()
        wait_for(lambda: "stopping" in gateway.said(), "the stop")
        assert gateway.process.poll() is None  # what runs is waited for
        fifo, = gateway.state.glob("sandboxes/*/go")
        fifo.write_text("x\n")
        assert result.result(30) == "x\nfinished"
    assert gateway.process.wait(20) == 0


def test_tool_calls_go_through_it(gateway):
    done = gateway.creel("tool", "exec", "--json", "--args", '{"command": "echo here > made; echo hi"}')
    assert json.loads(done.stdout)["content"][0]["text"] == "hi"
    assert gateway.text("exec", command="cat made") == "here"  # the same sandbox
    done = gateway.creel("tool", "read", "--json", "--args", '{"path": "nothing"}')
    assert done.returncode == 1 and json.loads(done.stdout)["error"]["code"] == "not_found"
    lines = '{"id":1,"tool":"exec","args":{"command":"echo a"}}\n{"id":2,"tool":"nosuch"}\n'
    done = subprocess.run([find_creel(), "tool", "--batch"], input=lines, capture_output=True, text=True,
                          env={**BASE_ENV, "HOME": str(gateway.home)}, timeout=60, check=False)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert answers[0]["result"]["content"][0]["text"] == "a" and answers[0]["id"] == 1
    assert answers[1]["error"]["code"] == "not_found" and answers[1]["id"] == 2
    assert gateway.status()["sandboxes"] == 1


def test_metrics(gateway):
    gateway.call("exec", command="true")
    gateway.invoke("exec", {"command": "true"}, token="wrong")
    connection = UnixConnection(gateway.state / "creel.sock", 30)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    assert 'creel_calls_total{tool="exec",outcome="ok"} 1' in text
    assert "creel_sandboxes" in text and "creel_call_duration_seconds_bucket" in text
