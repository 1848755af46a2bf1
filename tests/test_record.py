"""What a run's folder says of the run."""

from styleinv import record


def test_environment_without_git_has_no_revision(monkeypatch, tmp_path):
    assert record.environment()["git"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert record.environment()["git"] is None
