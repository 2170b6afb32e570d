"""Fixtures for the tests of a gateway that need nothing special of its configuration."""
import pytest

from gateway import Gateway


@pytest.fixture
def gateway(home):
    """It runs, with the administrator's token alone and native sandboxes."""
    gateway = Gateway(home)
    gateway.start()
    yield gateway
    gateway.finish()


@pytest.fixture
def either(home, backend):
    """It runs, natively and, where there is an engine (either.engine), in containers."""
    gateway = Gateway(home).use(backend)
    gateway.engine = backend.engine
    gateway.start()
    yield gateway
    gateway.finish()
