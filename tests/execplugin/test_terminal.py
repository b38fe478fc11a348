"""What a person sees of their login."""

from dataclasses import replace
from io import StringIO

from proxy.edge.oidc import DeviceCode
from proxy.execplugin.terminal import Terminal

PAGE = "https://iam.example.com/device"
CODE = DeviceCode(PAGE, "WDJB-MJHT", f"{PAGE}?user_code=WDJB-MJHT", 5, 600, "device-1")


def shown(code: DeviceCode, *left: float) -> str:
    stream = StringIO()
    terminal = Terminal(stream)
    terminal.show(code)
    for seconds in left:
        terminal.waiting(seconds)
    terminal.done()
    return stream.getvalue()


def test_the_page_that_knows_the_code_comes_first() -> None:
    lines = shown(CODE).splitlines()
    assert lines[2] == f"{PAGE}?user_code=WDJB-MJHT"
    assert "WDJB-MJHT" in lines[4]
    assert PAGE in lines[4]


def test_without_one_the_code_is_to_be_typed() -> None:
    assert shown(replace(CODE, complete_url=None)).splitlines() == [
        f"To log in, open {PAGE} in a browser on any machine,",
        "and enter the code WDJB-MJHT",
    ]


def test_each_question_is_a_dot_and_the_line_ends() -> None:
    assert shown(CODE, 595, 590, 585).endswith("\nWaiting for at most 10 min ...\n")


def test_the_code_that_buys_the_token_is_not_shown() -> None:
    assert "device-1" not in shown(CODE, 595)
