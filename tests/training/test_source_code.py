"""Which files of a package a piece of code can see."""

import pytest

from histmatch_lab.training.source_code import imported_modules, modules_seen_by, source_digest

FILES = {
    "__init__.py": "from toy.base import thing",
    "base.py": "import math",
    "apart.py": "",
    "room/__init__.py": "",
    "room/table.py": "from toy.room import chair",
    "room/chair.py": "from toy.room import table",  # a circle ends too
    "lazy.py": "def later():\n    import toy.apart",
}


@pytest.fixture
def toy(tmp_path):
    for name, text in FILES.items():
        file = tmp_path / "toy" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "toy"


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("import a.b as c, d", {"a.b", "d"}),
        ("from a import b, c", {"a", "a.b", "a.c"}),
        ("def f():\n    from a import b", {"a", "a.b"}),
        ("print('import a')", set()),
    ],
)
def test_imports_are_found_wherever_they_stand(code, names):
    assert imported_modules(code) == names


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("toy", []),
        ("toy.base", []),
        ("toy.base.thing", []),
        ("toy.lazy", ["apart.py", "lazy.py"]),
        ("toy.room.table", ["room/__init__.py", "room/chair.py", "room/table.py"]),
    ],
)
def test_a_module_sees_what_it_imports_and_the_packages_above(toy, name, others):
    seen = [file.relative_to(toy).as_posix() for file in modules_seen_by([name], toy)]
    assert seen == sorted(["__init__.py", "base.py", *others])


def test_other_packages_are_passed_over(toy):
    assert modules_seen_by(["math", "os.path"], toy) == []


def test_the_digest_follows_text_and_place(toy):
    files = modules_seen_by(["toy.lazy"], toy)
    before = source_digest(files, toy)
    assert source_digest(files, toy) == before
    (toy / "room" / "chair.py").write_text("edited = True")  # not among them
    assert source_digest(files, toy) == before
    (toy / "apart.py").rename(toy / "other.py")
    files = [toy / "other.py" if file.name == "apart.py" else file for file in files]
    assert source_digest(files, toy) != before
    (toy / "other.py").write_text("edited = True")
    assert source_digest(files, toy) != source_digest(files[:1], toy)
