"""Modules that are run as commands end in a sentence, not in a traceback."""

import pytest

from manifests.errors import UserError, command


@pytest.mark.parametrize(
    ("raised", "said", "code"), [(UserError("a.txt: empty"), "a.txt: empty", 2), (KeyboardInterrupt(), "stopped", 130)]
)
def test_a_command_ends_in_a_sentence(raised, said, code, capsys):
    def main() -> None:
        raise raised

    with pytest.raises(SystemExit) as end:
        command(main)
    assert end.value.code == code and capsys.readouterr().err == f"{said}\n"
    with pytest.raises(ZeroDivisionError):  # a fault of ours keeps its traceback
        command(lambda: print(1 / 0))
