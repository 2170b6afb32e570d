"""What is installed beside the program: units that systemd takes, a creel-init that stays small."""
import os
import shutil
import subprocess

import pytest

from support import ROOT


@pytest.mark.parametrize("unit", ["creel-gateway.service.in", "user/creel-gateway.service.in"])
def test_systemd_reads_it(unit, creel_bin, tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed, and creel does not need it")
    text = (ROOT / "systemd" / unit).read_text()
    # What verify looks up has to be there: the program, and the manual, which a build tree has not installed.
    lines = [line.replace("@bindir@/creel", str(creel_bin)) for line in text.splitlines()
             if not line.startswith("Documentation=")]
    path = tmp_path / "creel-gateway.service"
    path.write_text("\n".join(lines) + "\n")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
                           *(["--user"] if unit.startswith("user") else []), str(path)],
                          env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
                          capture_output=True, text=True, check=False, timeout=60)
    ours = [line for line in done.stderr.splitlines() if "creel-gateway" in line]
    assert not ours, done.stderr
    assert done.returncode == 0, done.stderr


def test_nothing_is_inherited_that_sandboxes_cannot_stand():
    """Filters of a service reach into native sandboxes, and mounts over /proc keep them from starting."""
    text = "\n".join(line for line in (ROOT / "systemd/creel-gateway.service.in").read_text().splitlines()
                     if not line.startswith("#"))
    for setting in ["MemoryDenyWriteExecute", "RestrictNamespaces", "SystemCallFilter", "ProtectKernelTunables",
                    "ProcSubset", "ProtectProc", "PrivateTmp", "ProtectHome", "ProtectControlGroups"]:
        assert setting + "=" not in text, setting


def test_creel_init_stays_small(creel_bin):
    """200 KiB, as in every sandbox's memory; stdio's scanning alone would take it over that"""
    init = creel_bin.parent.parent / "init" / "creel-init"
    assert init.stat().st_size <= 200 * 1024
