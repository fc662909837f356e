"""TLS to trunks that want to know who calls: the certificate of each trunk, ALPN, and what is said when it fails."""

import socket
import ssl
import threading

import pytest
from livekit import api

from harness import outbound
from harness.callee import Callee, answers
from harness.certificates import authority, certificate, server_side
from harness.outbound import refused
from harness.server import Trunkline


@pytest.fixture
def folder(tmp_path):
    """For certificates."""
    (tmp_path / "certificates").mkdir()
    return tmp_path / "certificates"


@pytest.fixture
def far_end(folder):
    """Certificate and key of the far end."""
    return certificate(folder)


@pytest.fixture
def carriers(folder):
    """Who issues certificates to the carrier's customers."""
    return authority(folder, "carriers")


@pytest.fixture
async def server(tmp_path, folder, far_end, carriers):
    """A server that trusts the far end and has a certificate that the carrier knows, and one that it does not."""
    known = certificate(folder, "known customer", carriers)
    own = certificate(folder, "self made")
    named = [{"name": n, "cert_file": str(c), "key_file": str(k)} for n, (c, k) in {"known": known, "own": own}.items()]
    tls = {"ca_file": str(far_end[0]), "client_certs": named}
    trunkline = await Trunkline(tmp_path, {"tls": tls}).start()
    try:
        yield trunkline
    finally:
        await trunkline.stop()


async def trunk_to(server: Trunkline, lk, far_end, certificate: str) -> str:
    """A trunk to there that shows this certificate, or none."""
    trunk = await outbound.trunk(lk, far_end.place, transport=api.SIP_TRANSPORT_TLS)
    if certificate:
        options = {"client_certificate": certificate}
        await server.twirp("trunkline.Options/SetOptions", {"trunk_id": trunk, "options": options})
    return trunk


async def test_a_trunk_shows_the_certificate_that_it_names(server, lk, far_end, carriers):
    async with Callee(answers(), kind="tls", tls=server_side(far_end, carriers[0])) as callee:
        trunk = await trunk_to(server, lk, callee, "known")
        made = await lk.sip.create_sip_participant(outbound.request(trunk))
        call = await callee.call()
        assert call.invite.get("Via").startswith(b"SIP/2.0/TLS ")
        [secured] = callee.transport.secured
        assert secured.getpeercert()["subject"] == ((("commonName", "known customer"),),)
        assert secured.selected_alpn_protocol() == "sip"
        await lk.room.delete_room(api.DeleteRoomRequest(room=made.room_name))
        await call.request("BYE")
        assert len(callee.transport.secured) == 1, "what follows goes over the same connection"
        assert (await outbound.only_record(server))["ending"]["reason"] == "room_deleted"


class Doorkeeper:
    """A TLS server that lets nobody in whom its context does not like, and says so with OpenSSL's own alerts."""

    def __init__(self, context: ssl.SSLContext):
        self.context, self.refusals = context, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.place = "%s:%d" % self.listener.getsockname()

    def _serve(self):
        while True:
            try:
                caller, _ = self.listener.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(caller, server_side=True) as inside:
                    inside.recv(1)
            except (ssl.SSLError, ConnectionError) as error:
                self.refusals.append(str(error))

    async def __aenter__(self) -> "Doorkeeper":
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        return self

    async def __aexit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.mark.parametrize(
    "shown,version,said",
    [
        # TLS 1.2 has one alert for whatever does not fit (RFC 5246 §7.4.6); OpenSSL speaks of the handshake.
        ("", ssl.TLSVersion.TLSv1_2, "no certificate of ours"),
        ("", ssl.TLSVersion.TLSv1_3, "client_certificate"),
        ("own", ssl.TLSVersion.TLSv1_2, "not accept our TLS certificate"),
        ("own", ssl.TLSVersion.TLSv1_3, "not accept our TLS certificate"),
        ("nobody's", ssl.TLSVersion.TLSv1_3, "certificate of this trunk"),
    ],
)
async def test_without_the_right_certificate_the_error_says_so(server, lk, far_end, carriers, version, shown, said):
    tls = server_side(far_end, carriers[0])
    tls.minimum_version = tls.maximum_version = version
    async with Doorkeeper(tls) as door:
        trunk = await trunk_to(server, lk, door, shown)
        error = await refused(lk.sip.create_sip_participant(outbound.request(trunk)))
        assert error.code == "failed_precondition" and said in error.message, (error, door.refusals)
        ending = (await outbound.only_record(server))["ending"]
        assert ending["disconnect_reason"] == "SIP_TRUNK_FAILURE" and said in ending["text"], ending
        assert bool(door.refusals) == (shown != "nobody's"), door.refusals


async def test_a_far_end_whom_nobody_vouches_for_is_not_called(server, lk, folder):
    async with Callee(answers(), kind="tls", tls=server_side(certificate(folder, "impostor"))) as callee:
        trunk = await trunk_to(server, lk, callee, "known")
        error = await refused(lk.sip.create_sip_participant(outbound.request(trunk)))
        assert error.code == "failed_precondition" and "tls.ca_file" in error.message, error
        assert not callee.calls


async def test_a_far_end_without_alpn_is_called(server, lk, far_end):
    # OpenSSL goes on without a protocol where none fits; we do not insist on one.
    async with Callee(answers(), kind="tls", tls=server_side(far_end, names=["other"])) as callee:
        trunk = await trunk_to(server, lk, callee, "")
        await lk.sip.create_sip_participant(outbound.request(trunk))
        assert callee.transport.secured[0].selected_alpn_protocol() is None
