"""What a person sees of their login, where kubectl shows its own messages."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:  # loading it takes longer than all the rest
    from proxy.edge.oidc import DeviceCode


@dataclass(slots=True)
class Terminal:
    """Writes a login to a stream: first where to go, then a dot for each question."""

    stream: TextIO
    _dots: int = field(default=0, init=False)

    def show(self, code: "DeviceCode") -> None:
        """Tell where to log in, and with which code."""
        if code.complete_url is None:
            self._write(f"To log in, open {code.url} in a browser on any machine,\n")
            self._write(f"and enter the code {code.user_code}\n")
        else:
            self._write(
                f"To log in, open this in a browser on any machine:\n\n{code.complete_url}\n\n"
            )
            self._write(f"It must show the code {code.user_code}. ")
            self._write(f"Without it in the address: {code.url}\n")

    def waiting(self, seconds_left: float) -> None:
        """Tell that nobody has logged in yet."""
        if self._dots == 0:
            self._write(f"Waiting for at most {math.ceil(seconds_left / 60)} min ")
        self._dots += 1
        self._write(".")

    def done(self) -> None:
        """End the line of dots, if there is one."""
        if self._dots:
            self._write("\n")

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()
