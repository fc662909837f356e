"""A room participant on the unmodified LiveKit SDK: it plays a tone and measures what it hears."""

import asyncio
import math

import numpy
from livekit import api, rtc

from .server import KEY, SECRET, Trunkline

RATE = 48_000
FRAME = 480


def token(identity: str, room: str, **grants) -> str:
    """A token to join a room."""
    rights = api.VideoGrants(room_join=True, room=room, can_update_own_metadata=True, **grants)
    return api.AccessToken(KEY, SECRET).with_identity(identity).with_name(identity).with_grants(rights).to_jwt()


def peak(samples: numpy.ndarray, rate: int) -> tuple[float, float]:
    """The loudest frequency in Hz and the level (RMS) of a second of sound."""
    spectrum = numpy.abs(numpy.fft.rfft(samples * numpy.hanning(len(samples))))
    spectrum[: int(50 * len(samples) / rate)] = 0
    return float(numpy.argmax(spectrum)) * rate / len(samples), float(numpy.sqrt(numpy.mean(samples**2)))


class Peer:
    """One participant; `async with` joins and leaves."""

    def __init__(self, server: Trunkline, room: str, identity: str, dual: bool = False, **grants):
        self.server, self.name, self.identity = server, room, identity
        self.options = rtc.RoomOptions(auto_subscribe=True, single_peer_connection=not dual)
        self.grants = grants
        self.room = rtc.Room()
        self.events: list[tuple] = []
        self.changed = asyncio.Event()
        self.tracks: dict[str, rtc.Track] = {}
        self.videos: dict[str, rtc.Track] = {}
        self.tasks: list[asyncio.Task] = []
        for event in (
            "participant_connected", "participant_disconnected", "track_published", "track_unpublished",
            "track_muted", "track_unmuted", "data_received", "sip_dtmf_received",
            "participant_attributes_changed", "room_metadata_changed", "track_unsubscribed",
            "local_track_published", "local_track_republished", "disconnected", "reconnecting", "reconnected",
        ):
            self.room.on(event, self._noting(event))
        self.room.on("track_subscribed", self._subscribed)

    def _noting(self, event: str):
        def note(*args):
            self.events.append((event, *args))
            self.changed.set()

        return note

    def _subscribed(self, track, publication, participant):
        kept = self.videos if track.kind == rtc.TrackKind.KIND_VIDEO else self.tracks
        kept[participant.identity] = track
        self._noting("track_subscribed")(track, publication, participant)

    async def __aenter__(self) -> "Peer":
        address = self.server.url.replace("http", "ws")
        await self.room.connect(address, token(self.identity, self.name, **self.grants), self.options)
        return self

    async def __aexit__(self, *_):
        for task in self.tasks:
            task.cancel()
        await self.room.disconnect()

    async def far_candidates(self) -> list:
        """Where its media goes: the server's candidate of each connection that is up."""
        stats = await self.room.get_rtc_stats()
        found = []
        for side in (stats.publisher_stats, stats.subscriber_stats):
            pairs = {s.candidate_pair.rtc.id: s.candidate_pair.candidate_pair for s in side if s.HasField("candidate_pair")}
            far = {s.remote_candidate.rtc.id: s.remote_candidate.candidate for s in side if s.HasField("remote_candidate")}
            for transport in (s.transport.transport for s in side if s.HasField("transport")):
                if pair := pairs.get(transport.selected_candidate_pair_id):
                    found.append(far[pair.remote_candidate_id])
        return found

    async def until(self, wanted, what: str, seconds: float = 10):
        """Waits until `wanted()` gives something."""
        try:
            async with asyncio.timeout(seconds):
                while not (found := wanted()):
                    self.changed.clear()
                    # What changes without an event is looked for now and then.
                    try:
                        await asyncio.wait_for(self.changed.wait(), 0.1)
                    except TimeoutError:
                        pass
                return found
        except TimeoutError:
            raise AssertionError(f"{self.identity} waited in vain for {what}; saw {[e[0] for e in self.events]}") from None

    def saw(self, event: str, check=lambda *_: True):
        """The first such event, if there was one."""
        return next((e for e in self.events if e[0] == event and check(*e[1:])), None)

    async def play(self, hertz: float, amplitude: int = 8_000, bitrate: int | None = None) -> rtc.LocalTrackPublication:
        """Publishes a microphone that says a tone, with at most so many bits per second."""
        source = rtc.AudioSource(RATE, 1)
        track = rtc.LocalAudioTrack.create_audio_track("tone", source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        if bitrate:
            options.audio_encoding.max_bitrate = bitrate
        publication = await self.room.local_participant.publish_track(track, options)
        self.tasks.append(asyncio.create_task(self._say(source, hertz, amplitude)))
        return publication

    @staticmethod
    async def _say(source: rtc.AudioSource, hertz: float, amplitude: int):
        at = 0
        while True:
            times = (numpy.arange(FRAME) + at) / RATE
            samples = (amplitude * numpy.sin(2 * math.pi * hertz * times)).astype(numpy.int16)
            at += FRAME
            await source.capture_frame(rtc.AudioFrame(samples.tobytes(), RATE, 1, FRAME))

    def texts(self, topic: str) -> asyncio.Queue:
        """The text streams that come on a topic from now on: pairs of identity and text."""
        queue: asyncio.Queue = asyncio.Queue()

        async def read(reader, who: str):
            await queue.put((who, await reader.read_all()))

        self.room.register_text_stream_handler(topic, lambda reader, who: asyncio.ensure_future(read(reader, who)))
        return queue

    async def hear(self, identity: str, seconds: float = 2.0) -> tuple[float, float]:
        """Frequency and level of what a participant says, in the last second of so many."""
        track = await self.until(lambda: self.tracks.get(identity), f"the track of {identity}")
        stream = rtc.AudioStream(track, sample_rate=RATE, num_channels=1)
        heard = []
        try:
            async with asyncio.timeout(seconds + 10):
                async for event in stream:
                    heard.append(numpy.frombuffer(event.frame.data, dtype=numpy.int16).astype(float))
                    if sum(map(len, heard)) >= RATE * seconds:
                        break
        finally:
            await stream.aclose()
        return peak(numpy.concatenate(heard)[-RATE:], RATE)

    def record(self, identity: str):
        """Keeps what a participant says from now on, until what is returned is called; that gives the samples.
        Those that are here already are in its `so_far`, piece by piece."""
        stream = rtc.AudioStream(self.tracks[identity], sample_rate=RATE, num_channels=1)
        heard: list[numpy.ndarray] = []

        async def keep():
            async for event in stream:
                heard.append(numpy.frombuffer(event.frame.data, dtype=numpy.int16).astype(float))

        task = asyncio.create_task(keep())

        async def end() -> numpy.ndarray:
            task.cancel()
            await stream.aclose()
            return numpy.concatenate(heard)

        end.so_far = heard
        return end

    async def watch(self, identity: str, frames: int = 15) -> tuple[int, int]:
        """Width and height of what a participant shows, after so many pictures."""
        track = await self.until(lambda: self.videos.get(identity), f"the picture of {identity}")
        stream = rtc.VideoStream(track)
        try:
            async with asyncio.timeout(15):
                async for event in stream:
                    frames -= 1
                    if frames == 0:
                        return event.frame.width, event.frame.height
        finally:
            await stream.aclose()
        raise AssertionError(f"the picture of {identity} ended")
