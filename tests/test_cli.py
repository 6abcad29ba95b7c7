"""The commands of whoever runs the portal."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from portal.app import create_app
from portal.cli import _with_commands
from portal.commands_demo import demo as demo_commands
from portal.config import DEMO_CATALOG, ROOT, MailSettings, Mode, Settings
from portal.db import transaction
from portal.models import Account, Member, Person, Price, StaffMember, Wallet

_DOCUMENTED = re.search(
    r"```toml\n(.*?)```", (ROOT / "docs" / "import.md").read_text(encoding="utf-8"), re.DOTALL
)
assert _DOCUMENTED is not None
# The tests' present is 29 October 2026: the example's period has not begun then.
EXAMPLE = _DOCUMENTED[1].replace("2026-10-31", "2026-07-31")


@pytest.fixture
def run(app: Flask) -> FlaskCliRunner:
    return _with_commands(app).test_cli_runner()


def count(app: Flask, table: type) -> int:
    with app.app_context(), transaction() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_operator_create(run: FlaskCliRunner, app: Flask) -> None:
    made = run.invoke(
        args=["operator", "create", "nora@kanto.example", "Nora Op", "--phone", "+32 1"]
    )
    assert made.exit_code == 0, made.output
    assert "/sign-in" in made.output
    with app.app_context(), transaction() as session:
        row = session.execute(
            select(StaffMember.role, StaffMember.phone)
            .join(Person, Person.id == StaffMember.person_id)
            .where(Person.email == "nora@kanto.example")
        ).one()
        assert tuple(row) == ("operator", "+32 1")
    again = run.invoke(args=["operator", "create", "nora@kanto.example", "Nora Op"])
    assert (again.exit_code, again.output) == (
        1, "This person works for the vendor already (operator).\n",
    )  # fmt: skip
    wrong = run.invoke(args=["executive", "create", "nora", "Nora"])
    assert (wrong.exit_code, wrong.output) == (1, "That is no e-mail address.\n")


def test_accounts_import_with_a_dry_run_first(
    run: FlaskCliRunner, app: Flask, tmp_path: Path
) -> None:
    file = tmp_path / "customers.toml"
    file.write_text(EXAMPLE, encoding="utf-8")
    unknown = run.invoke(args=["accounts", "import", str(file)])
    assert unknown.exit_code == 1
    assert "customers.toml: line 9: accounts.atelier-zuid.account_executive" in unknown.output
    assert unknown.output.endswith("Nothing was imported.\n")
    assert run.invoke(args=["executive", "create", "jan@vendor.example", "Jan"]).exit_code == 0

    before = (count(app, Account), count(app, Member), count(app, Price))
    dry = run.invoke(args=["accounts", "import", str(file), "--dry-run"])
    assert dry.exit_code == 0, dry.output
    assert "+ subscription atelier-zuid: crm" in dry.output
    assert "5 would be added, 0 there already." in dry.output
    assert (count(app, Account), count(app, Member), count(app, Price)) == before

    done = run.invoke(args=["accounts", "import", str(file)])
    assert "5 added, 0 there already." in done.output
    assert count(app, Account) == before[0] + 1
    again = run.invoke(args=["accounts", "import", str(file)])
    assert "0 added, 5 there already." in again.output
    assert count(app, Account) == before[0] + 1


def test_accounts_import_is_all_or_nothing(run: FlaskCliRunner, app: Flask, tmp_path: Path) -> None:
    assert run.invoke(args=["executive", "create", "jan@vendor.example", "Jan"]).exit_code == 0
    file = tmp_path / "customers.toml"
    file.write_text(EXAMPLE + EXAMPLE.replace("atelier-zuid", "second").replace('"pro"', '"gold"'))
    before = count(app, Account)
    refused = run.invoke(args=["accounts", "import", str(file)])
    assert refused.exit_code == 1
    assert "accounts.second.subscriptions.0.plan: The product has no such plan." in refused.output
    assert count(app, Account) == before
    file.write_bytes(b'# ok\nname = "\xff"')
    refused = run.invoke(args=["accounts", "import", str(file)])
    assert (refused.exit_code, refused.output) == (
        1, "customers.toml: line 2: This is not UTF-8 text.\n",
    )  # fmt: skip


def test_catalog_check_names_every_mistake(run: FlaskCliRunner, tmp_path: Path) -> None:
    good = run.invoke(args=["catalog", "check"])
    assert (good.exit_code, "no mistakes" in good.output) == (0, True)
    file = tmp_path / "mine.toml"
    text = DEMO_CATALOG.read_text(encoding="utf-8")
    file.write_text(text.replace('"75.00"', "75.00").replace("rank = 1", 'rank = "low"', 1))
    bad = run.invoke(args=["catalog", "check", str(file)])
    assert bad.exit_code == 1
    lines = bad.output.splitlines()
    assert len(lines) == 2
    assert all(re.match(r"mine\.toml: line \d+: products\.crm\.plans\.", line) for line in lines)
    gone = run.invoke(args=["catalog", "check", str(tmp_path / "none.toml")])
    assert (gone.exit_code, "no such file" in gone.output) == (1, True)


def test_catalog_apply(run: FlaskCliRunner) -> None:
    assert run.invoke(args=["catalog", "apply"]).output == "0 changes.\n"


def portal(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG"}}
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "portal.cli:make_app", *args],
        cwd=ROOT, env={**clean, **environ}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_catalog_check_needs_no_settings(tmp_path: Path) -> None:
    """A vendor writes the file before anything else is set up."""
    assert portal("catalog", "check", str(DEMO_CATALOG)).returncode == 0
    broken = tmp_path / "c.toml"
    broken.write_text("x = ")
    answer = portal("catalog", "check", str(broken))
    assert (answer.returncode, answer.stderr.count("\n")) == (1, 1)
    assert "Traceback" not in answer.stderr


def test_production_refuses_to_start_with_one_line_a_mistake() -> None:
    answer = portal("catalog", "apply", SECRET_KEY="changeme", PORTAL_DEMO="1", FLASK_DEBUG="1")
    assert answer.returncode == 3
    lines = [line for line in answer.stderr.splitlines() if line.startswith("portal: ")]
    for words in ("SECRET_KEY is weak", "PORTAL_DEMO is on", "FLASK_DEBUG is on", "DATABASE_URL"):
        assert sum(words in line for line in lines) == 1
    assert "Traceback" not in answer.stderr


def test_commands_before_db_upgrade_answer_one_line(tmp_path: Path) -> None:
    file = tmp_path / "customers.toml"
    file.write_text(EXAMPLE, encoding="utf-8")
    settings = Settings(
        mode=Mode.TEST,
        database_url=f"sqlite:///{tmp_path / 'empty.db'}",
        secret_key="a-secret-of-the-tests-0123456789abcdef",
        catalog_file=DEMO_CATALOG,
        public_url="http://localhost",
        instance=tmp_path,
        mail=MailSettings(host="127.0.0.1", port=1, sender="portal@kanto.example"),
    )
    run = _with_commands(create_app(settings)).test_cli_runner()
    for args in (
        ["operator", "create", "nora@kanto.example", "Nora"],
        ["executive", "create", "nora@kanto.example", "Nora"],
        ["accounts", "import", str(file)],
        ["catalog", "apply"],
        ["vat", "confirm", "1"],
        ["vat", "reject", "1"],
        ["accounts", "payment-terms", "1", "automatic"],
        ["worker"],
        ["run-due"],
    ):
        answer = run.invoke(args=args)
        assert (answer.exit_code, answer.output) == (
            1, "The tables are missing: run `flask db upgrade` first.\n",
        ), args  # fmt: skip
    assert run.invoke(args=["catalog", "check"]).exit_code == 0


def test_I4_an_operator_confirms_and_rejects_a_vat_number(
    run: FlaskCliRunner, books: Session
) -> None:
    account = books.scalars(select(Account).where(Account.vat_number == "GB987400004")).one()
    for verb, status, words in (("confirm", "valid", "is valid"),
                                ("reject", "invalid", "is not valid")):  # fmt: skip
        answer = run.invoke(args=["vat", verb, str(account.id)])
        assert (answer.exit_code, answer.output) == (0, f"GB987400004 {words} from now on.\n")
        books.expire_all()
        assert account.vat_status == status
    answer = run.invoke(args=["vat", "confirm", "987654"])
    assert (answer.exit_code, answer.output) == (1, "There is no account with this number.\n")


def test_I3_the_vendor_chooses_how_an_account_pays(run: FlaskCliRunner, books: Session) -> None:
    def choose(terms: str, account_id: int | None = None) -> tuple[int, str]:
        answer = run.invoke(
            args=["accounts", "payment-terms", str(account_id or account.id), terms]
        )
        return answer.exit_code, answer.output

    account = books.scalars(select(Account).where(Account.vat_number == "GB987400004")).one()
    words = f"Account {account.id} pays"
    for terms, expected in (
        (
            "bank_transfer",
            f"{words} by bank transfer from now on. A saved payment method was removed",
        ),
        ("bank_transfer", f"{words} like this already."),
        ("automatic", f"{words} automatically from now on. Its admins save a card"),
    ):
        code, output = choose(terms)
        assert (code, output.startswith(expected)) == (0, True), output
        books.expire_all()
        assert account.payment_terms == terms
    assert choose("automatic", 987654) == (1, "There is no account with this number.\n")
    assert choose("cash")[0] == 2
    books.execute(delete(Wallet).where(Wallet.account_id == account.id))
    books.add(Wallet(account_id=account.id, balance=0, auto_top_up=True, threshold=50,
                     pack_key="small", monthly_cap_minor=20_000))  # fmt: skip
    books.commit()
    code, output = choose("bank_transfer")
    assert (code, output) == (
        1, "Credits are topped up automatically. The customer switches that off first.\n",
    )  # fmt: skip


@pytest.mark.parametrize("typed", ["abc", "0", "65536", "8e3", "", "9" * 5000])
def test_demo_serve_names_a_wrong_port_in_one_line(run: FlaskCliRunner, typed: str) -> None:
    answer = run.invoke(demo_commands, ["serve", "--port", typed])
    assert (answer.exit_code, answer.output.count("\n")) == (1, 1)
    assert "is no port: give a number from 1 to 65535" in answer.output


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def demo(instance: Path, *args: str) -> list[str]:
    return [sys.executable, "-m", "flask", "--app", "portal.cli:make_demo_app", "demo", *args]


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_demo_serve_fills_serves_and_stops_cleanly(tmp_path: Path, end: signal.Signals) -> None:
    port = free_port()
    environ = {**os.environ, "INSTANCE_PATH": str(tmp_path)}
    environ.pop("DEMO_DATABASE_URL", None)
    server = subprocess.Popen(
        demo(tmp_path, "serve", "--port", str(port)),
        cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        said = ""
        while "/demo" not in said:
            line = server.stdout.readline()
            assert line, said
            said += line
        printed = re.findall(r"http://\S+", said)
        assert printed == [f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port}/demo"]
        for address in (*printed, f"{printed[0]}/sign-in"):
            with urllib.request.urlopen(address, timeout=20) as page:
                assert page.status == 200
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(server.pid)], capture_output=True, text=True,
            check=False,
        ).stdout.split()  # fmt: skip
        taken = subprocess.run(
            demo(tmp_path, "serve", "--port", str(port)),
            cwd=ROOT, env=environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (taken.returncode, f"Port {port} is in use" in taken.stderr) == (1, True)
        reset = subprocess.run(
            demo(tmp_path, "reset"),
            cwd=ROOT, env=environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (reset.returncode, "running already" in reset.stderr) == (1, True)
        server.send_signal(end)
        assert server.wait(timeout=30) == 0
        for pid in children:
            with pytest.raises(ProcessLookupError):
                os.kill(int(pid), 0)
    finally:
        if server.poll() is None:
            server.terminate()
            server.wait(timeout=30)


@pytest.mark.slow
def test_demo_keeps_its_data_until_it_is_reset(tmp_path: Path) -> None:
    import sqlite3

    environ = {**os.environ, "INSTANCE_PATH": str(tmp_path)}
    environ.pop("DEMO_DATABASE_URL", None)

    def reset() -> None:
        done = subprocess.run(demo(tmp_path, "reset"), cwd=ROOT, env=environ, capture_output=True,
                              text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "back at its start" in done.stdout

    reset()
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("demo.db*")}
    assert set(modes.values()) == {0o600}, modes
    (tmp_path / "demo-clock").write_text("864000\n")
    with sqlite3.connect(tmp_path / "demo.db") as own:
        own.execute("UPDATE account SET name = 'Changed'")
    own.close()
    reset()
    assert not (tmp_path / "demo-clock").exists()
    with sqlite3.connect(tmp_path / "demo.db") as own:
        names = [row[0] for row in own.execute("SELECT DISTINCT name FROM account")]
    own.close()
    assert len(names) == 6
