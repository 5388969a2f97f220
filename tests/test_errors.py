"""Commands end in a sentence, not in a traceback."""

import sys

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from manifests.errors import UserError, command
from pipeline import signals


@pytest.mark.parametrize(
    ("raised", "said", "code"),
    [
        (UserError("a.txt: empty"), "a.txt: empty", 2),
        (KeyboardInterrupt(), "stopped", 130),
        (PermissionError(13, "Permission denied", "a.txt"), "a.txt: Permission denied", 2),
        (OSError("the share\nis away"), "the share is away", 2),
    ],
)
def test_a_command_ends_in_a_sentence(raised, said, code, capsys):
    def main() -> None:
        raise raised

    with pytest.raises(SystemExit) as end:
        command(main)
    assert end.value.code == code and capsys.readouterr().err == f"{said}\n"
    with pytest.raises(ZeroDivisionError):  # a fault of ours keeps its traceback
        command(lambda: print(1 / 0))


@pytest.fixture
def exit_codes(monkeypatch):
    monkeypatch.setattr(signals, "raise_on_signals", lambda: None)  # those of pytest stay
    return signals.exit_codes


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (NotADirectoryError(20, "Not a directory", "a/recipe.yaml/b"), "a/recipe.yaml/b: Not a directory"),
        (OSError("the share\nis away"), "the share is away"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (TimeoutError(), "TimeoutError"),
        (NoCredentialsError(), "Unable to locate credentials"),
        (EndpointConnectionError(endpoint_url="http://there"), 'Could not connect to the endpoint URL: "http://there"'),
        (
            ClientError({"Error": {"Code": "503", "Message": "Slow down"}}, "Put"),
            "An error occurred (503) when calling the Put operation: Slow down",
        ),
    ],
)
def test_what_a_disk_or_a_store_refuses_is_a_sentence(exit_codes, raised, said, capsys):
    with pytest.raises(SystemExit) as end, exit_codes():
        raise raised
    assert end.value.code == 2 and capsys.readouterr().err == f"skep: {said}\n"


def test_faults_of_ours_keep_their_traceback_without_any_library_of_stores(exit_codes, monkeypatch):
    for module in ("botocore.exceptions", "gcsfs.retry", "google.auth.exceptions"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    for fault in (KeyError("a"), TypeError("b"), ValueError("c")):
        with pytest.raises(type(fault)), exit_codes():
            raise fault
    assert not {"botocore.exceptions", "gcsfs.retry", "google.auth.exceptions"} & {*sys.modules}
