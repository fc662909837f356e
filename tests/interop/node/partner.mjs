// A participant on @livekit/rtc-node, told what to do by lines of JSON on standard input; see
// harness/remote.py for their form.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

import { peak } from './peak.mjs';

// The packages lie where they were installed, not beside this file.
const require = createRequire(`${process.env.INTEROP_NODE}/package.json`);
const {
  AudioFrame, AudioSource, AudioStream, DisconnectReason, LocalAudioTrack, Room, RoomEvent, TrackPublishOptions,
  TrackSource, dispose,
} = require('@livekit/rtc-node');
const { AccessToken, RoomServiceClient, SipClient, WebhookReceiver } = require('livekit-server-sdk');

const RATE = 48000;
const FRAME = 480;
const tell = (message) => process.stdout.write(`@@${JSON.stringify(message)}\n`);
const room = new Room();
const tracks = new Map();
let waiting = [];
let playing = true;

room.on(RoomEvent.TrackSubscribed, (track, _publication, who) => {
  tracks.set(who.identity, track);
  waiting.forEach((look) => look());
});
room.on(RoomEvent.ParticipantConnected, (who) => tell({ event: 'came', identity: who.identity }));
room.on(RoomEvent.ParticipantDisconnected, (who) => tell({ event: 'left', identity: who.identity }));
room.on(RoomEvent.DataReceived, (payload, who, _kind, topic) =>
  tell({ event: 'data', text: new TextDecoder().decode(payload), identity: who?.identity, topic }),
);
room.on(RoomEvent.ParticipantAttributesChanged, (changed, who) =>
  tell({ event: 'attributes', changed, identity: who.identity }),
);
room.on(RoomEvent.Disconnected, (reason) => tell({ event: 'disconnected', reason: DisconnectReason[reason] }));
room.registerTextStreamHandler('lk.chat', async (reader, who) =>
  tell({ event: 'text', text: await reader.readAll(), identity: who.identity }),
);

function trackOf(identity) {
  return new Promise((found) => {
    const look = () => {
      if (!tracks.has(identity)) return;
      waiting = waiting.filter((other) => other !== look);
      found(tracks.get(identity));
    };
    waiting.push(look);
    look();
  });
}

async function say(source, hertz, amplitude) {
  for (let at = 0; playing; at += FRAME) {
    const samples = new Int16Array(FRAME);
    for (let i = 0; i < FRAME; i++) samples[i] = amplitude * Math.sin((2 * Math.PI * hertz * (at + i)) / RATE);
    await source.captureFrame(new AudioFrame(samples, RATE, 1, FRAME));
  }
}

const verbs = {
  async join({ url, token }) {
    await room.connect(url, token, { autoSubscribe: true, dynacast: false });
    room.localParticipant.registerRpcMethod('greet', async (call) => `hello ${call.callerIdentity}: ${call.payload}`);
    return [...room.remoteParticipants.keys()];
  },
  async play({ hertz, amplitude = 8000 }) {
    const source = new AudioSource(RATE, 1);
    const options = new TrackPublishOptions({ source: TrackSource.SOURCE_MICROPHONE });
    await room.localParticipant.publishTrack(LocalAudioTrack.createAudioTrack('tone', source), options);
    say(source, hertz, amplitude).catch((error) => tell({ event: 'silent', error: String(error) }));
  },
  async hear({ identity, seconds = 2 }) {
    const heard = [];
    const reader = new AudioStream(await trackOf(identity), RATE, 1).getReader();
    while (heard.length < RATE * seconds) {
      const { done, value } = await reader.read();
      if (done) throw new Error('the track ended');
      heard.push(...value.data);
    }
    await reader.cancel();
    return peak(heard, RATE);
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
  async leave() {
    playing = false;
    await room.disconnect();
  },

  // What a back end does with livekit-server-sdk.
  async token({ key, secret, identity, room: name }) {
    const token = new AccessToken(key, secret, { identity, name: identity });
    token.addGrant({ roomJoin: true, room: name, canUpdateOwnMetadata: true });
    return token.toJwt();
  },
  async rooms({ http, key, secret, method, args = [] }) {
    return new RoomServiceClient(http, key, secret)[method](...args);
  },
  async sip({ http, key, secret, method, args = [] }) {
    return new SipClient(http, key, secret)[method](...args);
  },
  // The same for what is to fail: what the error tells.
  async refused({ http, key, secret, method, args = [] }) {
    try {
      await new SipClient(http, key, secret)[method](...args);
    } catch (error) {
      const { name, message, code, status, metadata, sipStatusCode, sipStatus } = error;
      return { name, message, code, status, metadata, sipStatusCode, sipStatus };
    }
    throw new Error(`${method} was not refused`);
  },
  async webhook({ key, secret, body, authorization }) {
    return (await new WebhookReceiver(key, secret).receive(body, authorization)).event;
  },
};

const plain = (_name, value) => (typeof value === 'bigint' ? Number(value) : value);

createInterface({ input: process.stdin })
  .on('line', async (line) => {
    const { id, do: verb, ...details } = JSON.parse(line);
    try {
      const answer = (await verbs[verb](details)) ?? null;
      tell({ id, answer: JSON.parse(JSON.stringify(answer, plain)) });
    } catch (error) {
      tell({ id, error: `${verb}: ${error?.stack ?? error}` });
    }
  })
  .on('close', async () => {
    await dispose();
    process.exit(0);
  });
