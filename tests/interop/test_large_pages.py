"""The memory that calls will hold is asked for in large pages, where Linux has them."""

from pathlib import Path

from harness.server import eventually

#: What a few hundred calls hold.
MANY = 128 << 20


def heap_in_large_pages(pid: int) -> int:
    """Bytes of the heap for which large pages were asked: VmFlags `hg` of proc_pid_smaps(5)."""
    asked = size = 0
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            begin, end = (int(bound, 16) for bound in words[0].split("-"))
            size = end - begin if words[-1] == "[heap]" else 0
        elif words[0] == "VmFlags:" and "hg" in words:
            asked += size
    return asked


async def test_what_calls_will_hold_is_asked_for_in_large_pages(server):
    async def asked():
        return heap_in_large_pages(server.process.pid) >= MANY

    if Path("/sys/kernel/mm/transparent_hugepage").exists():
        await eventually(asked, "a heap in large pages")
    else:
        assert heap_in_large_pages(server.process.pid) == 0
