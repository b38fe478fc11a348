"""What a person does in a browser: Keycloak's pages, by their forms and cookies."""

import html
import re
import ssl
from urllib.parse import urljoin

import aiohttp

_FORM = re.compile(r'<form[^>]*\saction="([^"]+)"')
_CODE = re.compile(r'name="code" value="([^"]+)"')


async def approve(page: str, username: str, password: str, tls: ssl.SSLContext) -> None:
    """Open the page of a device login, log in, and agree.

    Raises:
        AssertionError: Keycloak has other pages than these.
    """
    # Keycloak runs at an IP address, from which a jar takes no cookies unless told to.
    jar = aiohttp.CookieJar(unsafe=True)
    connector = aiohttp.TCPConnector(ssl=tls)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as session:
        async with session.get(page) as response:
            login = await response.text()
        async with session.post(
            _action(login, page), data={"username": username, "password": password}
        ) as response:
            consent = await response.text()
        code = _CODE.search(consent)
        assert code is not None, "no form to agree to"
        async with session.post(
            _action(consent, page), data={"code": html.unescape(code[1]), "accept": "Yes"}
        ) as response:
            assert "Device Login Successful" in await response.text()


def _action(text: str, page: str) -> str:
    form = _FORM.search(text)
    assert form is not None, "no form on the page"
    return urljoin(page, html.unescape(form[1]))
