"""The house rules, as tests: who imports whom, what every DAG has, what the docs name, which settings there are."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from emailketing.settings import Settings

PROJECT = Path(__file__).resolve().parents[2]
DAGS = sorted((PROJECT / "dags").rglob("*.py"))
DOCS = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md")])
HEAVY = {"pandas", "matplotlib", "weasyprint", "babel", "css_inline", "sqlalchemy", "inscriptis", "numpy"}


def run(*command: str) -> str:
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def settings_of(model: type[BaseModel], prefix: str = "EMAILKETING_"):
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from settings_of(kind, f"{prefix}{name.upper()}__")
        else:
            yield f"{prefix}{name.upper()}", field


def test_imports_go_only_downwards():
    linter = Path(sys.executable).with_name("lint-imports")
    env = {**os.environ, "PYTHONPATH": str(PROJECT / "plugins")}
    done = subprocess.run([linter, "--no-cache"], cwd=PROJECT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_airflow_does_not_execute_the_package_as_plugins():
    lines = (PROJECT / "plugins" / ".airflowignore").read_text().splitlines()
    assert "emailketing/" in lines


@pytest.mark.parametrize("path", DAGS, ids=lambda path: path.stem)
def test_every_dag_file_has_docstring_owner_tags_and_no_helpers(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    source = path.read_text()
    assert "doc_md=__doc__" in source
    assert re.search(r'"owner": "\w+"', source)
    assert re.search(r'tags=\["\w+"', source)
    allowed = (ast.Expr, ast.Import, ast.ImportFrom, ast.With)
    others = [node for node in tree.body if not isinstance(node, allowed)]
    assert [ast.unparse(node) for node in others if not is_constant(node)] == []


def is_constant(node):
    """Whether a line gives a name in capitals to what several columns or sections share."""
    if not isinstance(node, ast.Assign):
        return False
    names = [each.id for target in node.targets for each in ast.walk(target) if isinstance(each, ast.Name)]
    return bool(names) and all(name.isupper() for name in names)


def test_nothing_heavy_is_imported_when_airflow_parses_the_declarations():
    """What Airflow itself imports is not counted: only what our modules ask for."""
    source = (
        "import sys\nimport airflow.sdk, airflow.triggers.base\nbefore = set(sys.modules)\n"
        "import emailketing.tasks\nnew = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        f"print(sorted(new & {HEAVY!r}))"
    )
    env = {**os.environ, "PYTHONPATH": str(PROJECT / "plugins"), "AIRFLOW_HOME": str(PROJECT / "var" / "airflow-cli")}
    done = subprocess.run([sys.executable, "-c", source], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_path_named_in_the_docs_exists(path):
    tops = "bin|dags|demo|docs|include|plugins|tests"
    named = re.findall(rf"(?<![\w/.-])((?:{tops})/[\w./-]*[\w/])", path.read_text())
    shown = set(re.findall(r"^`([a-z_]+/[\w./]+)`$", path.read_text(), re.MULTILINE))  # files that the reader writes
    made = shown | {str(Path(name).parent) for name in shown}
    missing = [name for name in sorted(set(named) - made) if not (PROJECT / name).exists()]
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#]+)", path.read_text())
    missing += [link for link in links if not (path.parent / link).exists()]
    assert missing == []


def test_every_make_target_named_in_the_docs_exists():
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = {name for path in DOCS for name in re.findall(r"`make ([a-z-]+)", path.read_text())}
    assert named - targets == set()
    assert "demo" in named


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_no_blank_line_breaks_a_table(path):
    lines = ["", *re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL).splitlines(), ""]
    begun = [(line, below) for above, line, below in zip(lines, lines[1:], lines[2:], strict=False) if not above]
    for line, below in begun:
        assert not line.startswith("|") or below.startswith("| ---"), line


@pytest.mark.parametrize(
    ("name", "field"), list(settings_of(Settings)), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_setting_is_documented_and_in_the_example(name, field):
    assert field.description
    assert f"`{name}`" in (PROJECT / "docs" / "operate.md").read_text()
    assert re.search(rf"^#? ?{name}=", (PROJECT / ".env.example").read_text(), re.MULTILINE)


def test_no_setting_is_documented_that_does_not_exist():
    known = {name for name, _ in settings_of(Settings)}
    documented = re.findall(r"^\| `(EMAILKETING_\w+)`", (PROJECT / "docs" / "operate.md").read_text(), re.MULTILINE)
    example = re.findall(r"^#? ?(EMAILKETING_\w+)=", (PROJECT / ".env.example").read_text(), re.MULTILINE)
    assert set(documented) == known
    assert set(example) == known


def test_every_direct_need_has_a_reason_and_a_locked_version():
    needs = [line for line in (PROJECT / "requirements.in").read_text().splitlines() if line and line[0] != "#"]
    locked = set(re.findall(r"^([\w.-]+)(?:\[\w+\])?==", (PROJECT / "requirements.txt").read_text(), re.MULTILINE))
    for need in needs:
        assert re.search(r"\s# \S", need), need
        assert re.match(r"[\w.-]+", need)[0].lower().replace("_", "-") in locked, need
