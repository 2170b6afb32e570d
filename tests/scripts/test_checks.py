"""The check scripts find what they are there to find."""
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support import ROOT, need

SCRIPTS = ROOT / "scripts"


def run(script, *args, env=None, cwd=None):
    return subprocess.run([str(SCRIPTS / script), *map(str, args)], capture_output=True, text=True,
                          check=False, cwd=cwd, env={**os.environ, **(env or {})})


def tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


GOOD = {
    "base/buf.h": "#pragma once\n",
    "base/buf.c": '#include "base/buf.h"\n#include <stdio.h>\n',
    "os/sys.h": "#pragma once\n",
    "os/sys.c": '#include "os/sys.h"\n#include "base/buf.h"\n',
    "wire/frame.h": '#include "base/buf.h"\n',
    "init/main.c": '#include "wire/frame.h"\n#include "os/sys.h"\n',
    "backend/native/apply.c": '#include "os/sys.h"\n#include "made.h"\n',
    "backend/native/meson.build": "custom_target('made', output: 'made.h')\n",
    "cli/main.c": '#include "wire/frame.h"\n',
}


def test_includes_that_point_downward_pass(tmp_path):
    r = run("check-includes", tree(tmp_path, GOOD))
    assert r.returncode == 0, r.stdout


@pytest.mark.parametrize("name,line,word", [
    ("base/up.c", '#include "os/sys.h"', "may include only"),
    ("os/up.c", '  #  include "wire/frame.h"', "may include only"),
    ("wire/beside.c", '#include "config/config.h"', "may include only"),
    ("browser/up.c", '#include "tools/tool.h"', "may include only"),
    ("broker/beside.c", '#include "gateway/core.h"', "may include only"),
    ("gateway/beside.c", '#include "broker/acquire.h"', "may include only"),
    ("init/more.c", '#include "config/config.h"', "may include only"),
    ("cli/reach.c", '#include "init/proc.h"', "may include only"),
    ("base/near.c", '#include "buf.h"', "no file below src/"),
    ("base/gone.c", '#include "base/gone.h"', "no file below src/"),
    ("base/angle.c", "#include <base/buf.h>", "write it with quotes"),
    ("new/thing.c", "", "has no layer"),
])
def test_a_wrong_include_is_found(tmp_path, name, line, word):
    extra = {f"{folder}.h": "" for folder in
             ("config/config", "tools/tool", "gateway/core", "broker/acquire", "init/proc")}
    src = tree(tmp_path, {**GOOD, **extra, name: f"/* a */\n{line}\n"})
    r = run("check-includes", src)
    assert r.returncode == 1
    assert f"{name}" in r.stdout and word in r.stdout, r.stdout


def test_an_empty_tree_is_not_a_pass(tmp_path):
    assert run("check-includes", tmp_path).returncode == 1
    assert run("check-sizes", tmp_path).returncode == 1
    assert run("check-headers", tmp_path).returncode == 1


def function(lines):
    return "int f(void)\n{\n" + "\tf();\n" * (lines - 3) + "}\n"


@pytest.mark.parametrize("text,status", [
    (function(100), 0),
    (function(101), 1),
    (function(10) + "\n" * 789, 0),
    (function(10) + "\n" * 791, 1),
])
def test_sizes_are_limited(tmp_path, text, status):
    need(shutil.which("ctags"), "ctags is missing")
    r = run("check-sizes", tree(tmp_path, {"a.c": text}))
    assert r.returncode == status, r.stdout
    assert ("too long: " in r.stdout) == (status == 1)


@pytest.mark.parametrize("text,status", [
    ("#ifndef A\n#define A\n#include <stddef.h>\nstruct a { size_t n; };\n#endif\n", 0),
    ("#ifndef A\n#define A\nstruct a { size_t n; };\n#endif\n", 1),
    ("struct a { int n; };\n", 1),
])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_a_header_must_compile_alone(tmp_path, text, status, compiler):
    need(shutil.which(compiler), f"{compiler} is missing")
    r = run("check-headers", tree(tmp_path, {"x/a.h": text}), env={"CC": compiler})
    assert r.returncode == status, r.stdout
    assert ("x/a.h does not compile alone" in r.stdout) == (status == 1)


# --- install-deps: with a dpkg-query, an apt-get and a sudo of the test's own -------------------

FAKES = {
    "dpkg-query": '#!/bin/sh\nfor p; do case " $HAVE " in *" $p "*) echo "$p installed";; '
                  '*) echo "$p not-installed";; esac; done\nexit 1\n',
    "apt-get": '#!/bin/sh\necho "$*" >>"$LOG"\n'
               'case "$*" in *"-s install"*) [ -e "$LISTS" ];; *update*) : >"$LISTS";; esac\n',
    "id": "#!/bin/sh\necho $FAKE_UID\n",
}


def packages(*groups):
    rows = [row.split() for row in (SCRIPTS / "packages").read_text().splitlines()
            if row and not row.startswith("#")]
    return [row[1] for row in rows if row[0] in groups]


@pytest.fixture
def deps(tmp_path):
    fakes = tree(tmp_path / "bin", FAKES)
    for name in FAKES:
        (fakes / name).chmod(0o755)
    for tool in ("sh", "awk", "grep", "dirname", "env"):
        (fakes / tool).symlink_to(shutil.which(tool))

    def call(group, have, uid=0, lists=True):
        log = tmp_path / "log"
        log.write_text("")
        if lists:
            (tmp_path / "lists").touch()
        r = subprocess.run([str(fakes / "sh"), str(SCRIPTS / "install-deps"), group], check=False,
                           capture_output=True, text=True, stdin=subprocess.DEVNULL,
                           env={"PATH": str(fakes), "HAVE": " ".join(have), "LOG": str(log),
                                "LISTS": str(tmp_path / "lists"), "FAKE_UID": str(uid)})
        return r, log.read_text().splitlines()

    return call


def test_nothing_missing_is_silent(deps):
    r, calls = deps("test", packages("build", "test"))
    assert (r.returncode, r.stdout, r.stderr, calls) == (0, "", "", [])


def test_building_does_not_ask_for_test_packages(deps):
    assert deps("build", packages("build"))[0].returncode == 0
    assert deps("test", packages("build"), uid=1000)[0].returncode == 1


def test_exactly_the_missing_ones_are_installed(deps):
    have = [p for p in packages("build") if p not in ("meson", "scdoc")]
    r, calls = deps("build", have)
    assert r.returncode == 0, r.stderr
    assert calls[-1].endswith("install --no-install-recommends meson scdoc")
    assert not any("update" in c for c in calls)


def test_lists_are_fetched_only_where_needed(deps):
    r, calls = deps("build", packages("build")[1:], lists=False)
    assert r.returncode == 0, r.stderr
    assert [c for c in calls if c.endswith("update")]
    assert calls[-1].endswith("gcc")


def test_without_root_the_line_to_run_is_printed(deps):
    have = [p for p in packages("build") if p != "meson"]
    r, calls = deps("build", have, uid=1000)
    assert r.returncode == 1
    assert "apt-get update && apt-get install --no-install-recommends meson\n" in r.stderr
    assert calls == []


def test_every_package_has_a_reason():
    for row in Path(SCRIPTS / "packages").read_text().splitlines():
        if row and not row.startswith("#"):
            assert len(row.split()) >= 4, row


def test_a_wrong_group_is_a_usage_error():
    assert run("install-deps", "bulid").returncode == 2
