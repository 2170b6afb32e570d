"""The configuration read again while the gateway runs: all of it, or nothing."""
import signal

import pytest

from gateway import ADMIN, wait_for


def test_a_changed_file_counts_at_once(gateway):
    assert gateway.invoke("read", {"path": "x"}, token="second")[0] == 401
    gateway.settings["tokens"].append({"name": "second", "token": "second"})
    gateway.write_config()
    wait_for(lambda: gateway.invoke("read", {"path": "x"}, token="second")[0] != 401, "the new token")
    del gateway.settings["tokens"][1]
    gateway.write_config()
    # A grant that was held is void too.
    wait_for(lambda: gateway.invoke("read", {"path": "x"}, token="second")[0] == 401, "its end")


def test_a_refused_tool_is_refused_from_then_on(gateway):
    assert gateway.text("exec", command="echo yes") == "yes"
    gateway.extra = {"tools": {"sandbox": {"tools": {"deny": ["exec"]}}}}
    gateway.write_config()
    wait_for(lambda: gateway.invoke("exec", {"command": "true"})[0] != 200, "the new policy")
    assert gateway.status()["configProblem"] is None


@pytest.mark.parametrize("text", ["{", '{"gateway": {"tokens": [{"name": "x"}]}}', '{"agents": {"defaults": {"sandbox": {"mode": "al"}}}}'])
def test_an_invalid_file_changes_nothing(gateway, text):
    generation = gateway.status()["configGeneration"]
    gateway.write_config(text)
    wait_for(lambda: gateway.status()["configProblem"], "the refusal")
    assert gateway.status()["configGeneration"] == generation
    assert "what ran before runs on" in gateway.said()
    assert gateway.text("exec", token=ADMIN, command="echo yes") == "yes"
    gateway.write_config()
    wait_for(lambda: gateway.status()["configProblem"] is None, "the mended file")


def test_hup_reads_it_too(gateway):
    before = gateway.status()["configGeneration"]
    gateway.process.send_signal(signal.SIGHUP)
    wait_for(lambda: gateway.status()["configGeneration"] > before, "the reload")
