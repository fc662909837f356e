// A participant on livekit-client in a page, told what to do over the WebSocket /control; see
// harness/remote.py for the form of the messages. What it does is shown on the page, too.

import { DisconnectReason, Room, RoomEvent, Track } from './livekit-client.mjs';
import { peak } from './peak.mjs';

const RATE = 48000;
const control = new WebSocket(`ws://${location.host}/control`);
const audio = new Map();
const video = new Map();
let waiting = [];
let room;

function tell(message) {
  const text = JSON.stringify(message);
  control.send(text);
  console.log(`@@${text.slice(0, 300)}`);
}

function happened(event, details) {
  document.querySelector('#diary').textContent += `${event} ${JSON.stringify(details).slice(0, 100)}\n`;
  show();
  tell({ event, ...details });
  waiting.forEach((look) => look());
}

function show() {
  document.querySelector('#title').textContent = `${room.localParticipant.identity} in “${room.name}”: ${room.state}`;
  document.querySelector('#people').innerHTML = [...room.remoteParticipants.values()]
    .map((who) => `<tr><td>${who.identity}</td><td>${[...who.trackPublications.values()].map((t) => t.source)}</td></tr>`)
    .join('');
}

/** What `look` finds, as soon as it finds it; it is asked again after each event. */
function until(look) {
  return new Promise((found) => {
    const again = () => {
      const thing = look();
      if (thing === undefined) return;
      waiting = waiting.filter((other) => other !== again);
      found(thing);
    };
    waiting.push(again);
    again();
  });
}

function listen() {
  room.on(RoomEvent.TrackSubscribed, (track, _publication, who) => {
    (track.kind === Track.Kind.Audio ? audio : video).set(who.identity, track);
    document.querySelector('#media').append(track.attach());
    happened('subscribed', { identity: who.identity, kind: track.kind });
  });
  room.on(RoomEvent.TrackUnsubscribed, (track, _publication, who) => {
    for (const tracks of [audio, video]) if (tracks.get(who.identity) === track) tracks.delete(who.identity);
    track.detach().forEach((element) => element.remove());
    happened('unsubscribed', { identity: who.identity, kind: track.kind });
  });
  room.on(RoomEvent.ParticipantConnected, (who) => happened('came', { identity: who.identity }));
  room.on(RoomEvent.ParticipantDisconnected, (who) => happened('left', { identity: who.identity }));
  room.on(RoomEvent.DataReceived, (payload, who, _kind, topic) =>
    happened('data', { text: new TextDecoder().decode(payload), identity: who?.identity, topic }),
  );
  room.on(RoomEvent.ParticipantAttributesChanged, (changed, who) =>
    happened('attributes', { changed, identity: who.identity }),
  );
  room.on(RoomEvent.TrackMuted, (_publication, who) => happened('muted', { identity: who.identity }));
  room.on(RoomEvent.SipDTMFReceived, (key, who) => happened('key', { digit: key.digit, identity: who.identity }));
  room.on(RoomEvent.RoomMetadataChanged, (metadata) => happened('metadata', { metadata }));
  room.on(RoomEvent.ConnectionStateChanged, (state) => happened('state', { state }));
  room.on(RoomEvent.Reconnected, () => happened('reconnected', {}));
  room.on(RoomEvent.Disconnected, (reason) => happened('disconnected', { reason: DisconnectReason[reason] }));
  room.registerTextStreamHandler('lk.chat', async (reader, who) =>
    happened('text', { text: await reader.readAll(), identity: who.identity }),
  );
  room.registerRpcMethod('greet', async (call) => `hello ${call.callerIdentity}: ${call.payload}`);
}

/** Resolves when the audio clock has gone on by so many seconds. */
function played(context, seconds) {
  return new Promise((over) => {
    const clock = context.createConstantSource();
    const silence = context.createGain();
    silence.gain.value = 0;
    clock.connect(silence).connect(context.destination);
    clock.onended = over;
    clock.start();
    clock.stop(context.currentTime + seconds);
  });
}

const verbs = {
  async join({ url, token, dual = false }) {
    room = new Room({ singlePeerConnection: !dual });
    listen();
    await room.connect(url, token);
    show();
    return [...room.remoteParticipants.keys()];
  },
  async microphone({ on = true, bitrate }) {
    // A tone would not survive what is meant for speech.
    const options = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const publish = bitrate ? { audioPreset: { maxBitrate: bitrate } } : undefined;
    await room.localParticipant.setMicrophoneEnabled(on, options, publish);
  },
  async camera({ on = true }) {
    const shown = await room.localParticipant.setCameraEnabled(on, { resolution: { width: 640, height: 360 } });
    if (shown?.track) document.querySelector('#media').append(shown.track.attach());
  },
  async hear({ identity, seconds = 2 }) {
    const track = await until(() => audio.get(identity));
    const context = new AudioContext({ sampleRate: RATE });
    await context.resume();
    const analyser = new AnalyserNode(context, { fftSize: 32768, smoothingTimeConstant: 0 });
    context.createMediaStreamSource(new MediaStream([track.mediaStreamTrack])).connect(analyser);
    await played(context, seconds);
    const samples = new Float32Array(analyser.fftSize);
    analyser.getFloatTimeDomainData(samples);
    await context.close();
    return peak(samples.map((sample) => sample * 32768), RATE);
  },
  async watch({ identity, frames = 15 }) {
    const track = await until(() => video.get(identity));
    const [element] = track.attachedElements;
    for (let seen = 0; seen < frames; seen++) {
      await new Promise((shown) => element.requestVideoFrameCallback(shown));
    }
    return [element.videoWidth, element.videoHeight];
  },
  async data({ text, reliable = true, topic = '' }) {
    await room.localParticipant.publishData(new TextEncoder().encode(text), { reliable, topic });
  },
  async text({ text }) {
    await room.localParticipant.sendText(text, { topic: 'lk.chat' });
  },
  async attributes({ attributes }) {
    await room.localParticipant.setAttributes(attributes);
  },
  async rpc({ to, payload }) {
    return room.localParticipant.performRpc({ destinationIdentity: to, method: 'greet', payload });
  },
  async press({ code, digit }) {
    await room.localParticipant.publishDtmf(code, digit);
  },
  async simulate({ scenario }) {
    await room.simulateScenario(scenario);
  },
  /** Over what its media goes, for each connection that is up. */
  async protocols() {
    const { publisher, subscriber } = room.engine.pcManager;
    const found = [];
    for (const transport of [publisher, subscriber].filter(Boolean)) {
      const stats = await transport.getStats();
      const pairs = [...stats.values()].filter((each) => each.type === 'transport' && each.selectedCandidatePairId);
      for (const { selectedCandidatePairId } of pairs) {
        found.push(stats.get(stats.get(selectedCandidatePairId).remoteCandidateId).protocol);
      }
    }
    return found;
  },
  async state() {
    return room.state;
  },
  async leave() {
    await room.disconnect();
  },
};

control.onmessage = async ({ data }) => {
  const { id, do: verb, ...details } = JSON.parse(data);
  try {
    tell({ id, answer: (await verbs[verb](details)) ?? null });
  } catch (error) {
    tell({ id, error: `${verb}: ${error?.stack ?? error}` });
  }
};
