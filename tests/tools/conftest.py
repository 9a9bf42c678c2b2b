"""A real browser, where one is installed."""

from collections.abc import Iterator

import pytest
from photograph_webdemo import chromium


@pytest.fixture(scope="module")
def browser() -> Iterator:
    try:
        with chromium() as browser:
            yield browser
    except FileNotFoundError as error:
        pytest.skip(str(error))
