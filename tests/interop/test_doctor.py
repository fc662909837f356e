"""`trunkline doctor` on a machine where something is wrong, and on one where nothing is."""

import json
import socket

from harness.server import Trunkline, split


async def doctor(server: Trunkline, config: str) -> tuple[int, dict[str, list[str]], str]:
    """Exit code, the verdicts by what was looked at, and the table for people."""
    code, out, _ = await server.command("doctor", "--json", "--config-body", config)
    report = json.loads(out)
    verdicts: dict[str, list[str]] = {}
    for check in report["checks"]:
        verdicts.setdefault(check["name"], []).append(check["verdict"])
        assert (check["verdict"] == "ok") == ("cure" not in check), check
    assert report["ok"] == (code == 0)
    same, table, _ = await server.command("doctor", "--config-body", config)
    assert same == code
    return code, verdicts, table


async def test_free_ports_are_fine_and_a_running_server_is_named(server, tmp_path):
    code, verdicts, table = await doctor(server, server.config())
    assert code == 0, table
    assert verdicts["sip_port"] == ["ok", "ok"] and verdicts["data_dir"] == ["ok"]
    taken = json.loads(server.config())
    taken["port"], taken["sip_port"] = split(server.addresses["http"])[1], server.sip[1]
    taken["rtc"] = {"udp_port": split(server.addresses["rtc_udp"][0])[1], "tcp_port": split(server.addresses["rtc_tcp"])[1]}
    code, verdicts, table = await doctor(server, json.dumps(taken))
    assert code == 1
    for name in ("port", "sip_port", "rtc.udp_port", "rtc.tcp_port"):
        assert "fail" in verdicts[name], table
    assert "FAIL  rtc.tcp_port: TCP 127.0.0.1:" in table and "→ stop who holds it" in table
    # Looking has disturbed nobody.
    assert (await server.command("calls", "list"))[0] == 0


async def test_a_configuration_that_cannot_be_read_is_the_first_thing_told(server):
    code, out, errors = await server.command("doctor", "--config-body", "sip_prot: 5060")
    assert code == 1 and "did you mean `sip_port`" in out and "1 of 1 checks failed" in errors


async def test_ports_of_rtp_that_others_hold_are_counted(server):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1] & ~1
        config = {**json.loads(server.config()), "rtp_port": f"{port}-{port + 1}"}
        code, verdicts, table = await doctor(server, json.dumps(config))
        assert code == 1 and verdicts["rtp_port"] == ["fail"] and "0 of 1 pairs" in table
