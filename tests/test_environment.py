"""What a run says that it was made with."""

import subprocess

from styleinv import environment


def test_environment_without_git_has_no_revision(monkeypatch, tmp_path):
    assert environment.environment()["git"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.environment()["git"] is None


def test_environment_of_a_program_inside_of_another_repository_has_no_revision(
    monkeypatch, tmp_path
):
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "theirs"]):
        names = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *names, *words], cwd=tmp_path, check=True)
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "environment.py"))
    (tmp_path / "environment.py").touch()
    assert environment.environment()["git"] is None
