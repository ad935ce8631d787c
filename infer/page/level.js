// A level zip dropped on the page into the same neutral object that saberlm.infer.preview writes:
// Info v2 or v4, difficulties v2, v3 and v4. Objects that the unmodded game does not play are left
// out and counted. saberlm.prompts.mapfile is the full reader; tests hold the two together.
import { inflate, openZip } from './unzip.js';

const CHROMA_COLOUR_BASE = 2_000_000_000;
const COLOR_NAMES = {
  left: 'saberAColor',
  right: 'saberBColor',
  wall: 'obstaclesColor',
  light0: 'environmentColor0',
  light1: 'environmentColor1',
  boost0: 'environmentColor0Boost',
  boost1: 'environmentColor1Boost',
};

// {level, song, cover}: the neutral level, and the bytes of its sound and picture or null.
export async function readLevelZip(buffer) {
  const files = openZip(buffer);
  if (!files.has('info.dat')) throw new Error('This zip holds no Info.dat: likely not a level.');
  const info = await json(files, 'Info.dat');
  const read = info._difficultyBeatmapSets ? readInfoV2(info) : readInfoV4(info);
  const { level, entries } = read;
  const regions = await readRegions(files, read.audioData);
  for (const entry of entries) {
    try {
      const raw = await json(files, entry.filename);
      const show = entry.lightshow && files.has(entry.lightshow.toLowerCase());
      const lights = show ? await json(files, entry.lightshow) : {};
      level.difficulties.push({ ...entry.shown, ...readDifficulty(raw, lights, regions) });
    } catch (problem) {
      level.unread.push(`${entry.filename}: ${problem.message}`);
    }
  }
  if (!level.difficulties.length) {
    throw new Error(`None of its difficulties can be read. ${level.unread.join(' ')}`);
  }
  const bytes = (name) => files.get((name ?? '').toLowerCase())?.() ?? null;
  return { level, song: await bytes(read.song), cover: await bytes(read.cover) };
}

async function json(files, name) {
  const open = files.get(name.toLowerCase());
  if (!open) throw new Error('not in the zip');
  let data = await open();
  if (data[0] === 0x1f && data[1] === 0x8b) data = await inflate(data, 'gzip');
  const found = JSON.parse(new TextDecoder().decode(data)); // takes a byte order mark away
  if (found === null || typeof found !== 'object') throw new Error('not a JSON object');
  return found;
}

function readInfoV2(info) {
  const sets = list(info._difficultyBeatmapSets);
  const custom = info._customData ?? {};
  const level = emptyLevel({
    title: info._songName,
    subtitle: info._songSubName,
    artist: info._songAuthorName,
    mapper: info._levelAuthorName,
    bpm: info._beatsPerMinute,
    machine: custom._saberlm?.automapper === true,
  });
  const schemes = list(info._colorSchemes).map((one) => ({
    ...scheme(one.colorScheme),
    used: [one.useOverride, one.useOverride],
  }));
  const entries = sets.flatMap((set) =>
    list(set._difficultyBeatmaps).map((one) => ({
      filename: text(one._beatmapFilename),
      shown: {
        characteristic: text(set._beatmapCharacteristicName),
        name: text(one._difficulty),
        label: text(one._customData?._difficultyLabel),
        njs: number(one._noteJumpMovementSpeed),
        offset: number(one._noteJumpStartBeatOffset),
        colors: chosen(schemes[number(one._beatmapColorSchemeIdx, -1)]),
      },
    })),
  );
  return { level, entries, song: info._songFilename, cover: info._coverImageFilename };
}

function readInfoV4(info) {
  const { song = {}, audio = {} } = info;
  const level = emptyLevel({
    title: song.title,
    subtitle: song.subTitle,
    artist: song.author,
    mapper: '',
    bpm: audio.bpm,
    machine: info.customData?._saberlm?.automapper === true,
  });
  const schemes = list(info.colorSchemes).map((one) => ({
    ...scheme(one),
    used: [one.overrideNotes ?? one.useOverride, one.overrideLights ?? one.useOverride],
  }));
  const entries = list(info.difficultyBeatmaps).map((one) => ({
    filename: text(one.beatmapDataFilename),
    lightshow: text(one.lightshowDataFilename),
    shown: {
      characteristic: text(one.characteristic),
      name: text(one.difficulty),
      label: text(one.customData?._difficultyLabel ?? one.customData?.difficultyLabel),
      njs: number(one.noteJumpMovementSpeed),
      offset: number(one.noteJumpStartBeatOffset),
      colors: chosen(schemes[number(one.beatmapColorSchemeIdx, -1)]),
    },
  }));
  const mappers = new Set();
  for (const one of list(info.difficultyBeatmaps)) {
    for (const name of list(one.beatmapAuthors?.mappers)) mappers.add(text(name));
  }
  level.mapper = [...mappers].join(', ');
  return {
    level,
    entries,
    song: audio.songFilename,
    cover: info.coverImageFilename,
    audioData: audio.audioDataFilename,
  };
}

function emptyLevel(said) {
  const level = { format: 1, difficulties: [], unread: [] };
  for (const [key, value] of Object.entries(said)) {
    level[key] = key === 'bpm' ? number(value) : key === 'machine' ? value : text(value);
  }
  if (!(level.bpm > 0)) throw new Error('Its Info.dat gives no tempo.');
  return level;
}

function scheme(colors) {
  const found = {};
  for (const [ours, name] of Object.entries(COLOR_NAMES)) {
    const value = colors?.[name];
    if (typeof value === 'string') {
      const hex = value.replace('#', '');
      const parts = [0, 2, 4].map((k) => parseInt(hex.slice(k, k + 2), 16) / 255);
      if (parts.every(Number.isFinite)) found[ours] = parts;
    } else if (value && typeof value === 'object') {
      found[ours] = [number(value.r), number(value.g), number(value.b)];
    }
  }
  return { colors: found };
}

// The colours that a scheme sets: of the notes and walls, of the lights, of both or of neither.
function chosen(found) {
  if (!found) return null;
  const colors = {};
  for (const [name, value] of Object.entries(found.colors)) {
    const ofNotes = ['left', 'right', 'wall'].includes(name);
    if (found.used[ofNotes ? 0 : 1]) colors[name] = value;
  }
  return Object.keys(colors).length ? colors : null;
}

// Tempo changes [beat, bpm] of AudioData.dat, whose regions say which samples hold which beats.
async function readRegions(files, name) {
  if (!name || !files.has(name.toLowerCase())) return [];
  const audio = await json(files, name);
  return list(audio.bpmData)
    .filter((one) => one.ei > one.si && one.eb > one.sb)
    .map((one) => [
      one.sb,
      ((one.eb - one.sb) / ((one.ei - one.si) / audio.songFrequency)) * 60,
    ]);
}

function readDifficulty(raw, lightshow, regions) {
  const found = raw._notes
    ? readV2(raw)
    : raw.colorNotesData || text(raw.version).startsWith('4')
      ? readV4(raw, lightshow, regions)
      : readV3(raw);
  const left = {};
  for (const [kind, judge] of Object.entries(PLAYABLE)) {
    const kept = found[kind].filter((row) => row.every(isValue) && judge(row));
    if (kept.length < found[kind].length) left[`${kind} of mods`] = found[kind].length - kept.length;
    found[kind] = kept.sort((a, b) => a[0] - b[0]);
  }
  for (const [what, items] of Object.entries(found.others)) {
    if (list(items).length) left[what] = items.length;
  }
  delete found.others;
  return { ...found, left_out: left, findings: [], verdict: '' };
}

const isValue = (value) => typeof value === 'boolean' || Number.isFinite(value);
const inCell = (x, y) => [0, 1, 2, 3].includes(x) && [0, 1, 2].includes(y);
const isHand = (color) => color === 0 || color === 1;
const isCut = (direction) => Number.isInteger(direction) && direction >= 0 && direction <= 8;

function isSpan([beat, x, y, color, direction, tailBeat, tailX, tailY]) {
  const ends = inCell(x, y) && inCell(tailX, tailY);
  return beat >= 0 && ends && isHand(color) && isCut(direction) && tailBeat >= beat;
}

const PLAYABLE = {
  notes: ([beat, x, y, color, direction]) =>
    beat >= 0 && inCell(x, y) && isHand(color) && isCut(direction),
  bombs: ([beat, x, y]) => beat >= 0 && inCell(x, y),
  walls: ([beat, x, y, duration, width, height]) =>
    beat >= 0 && inCell(x, y) && duration > 0 && width >= 1 && x + width <= 4 && height >= 1 && y + height <= 5,
  arcs: (row) => isSpan(row) && isCut(row[8]),
  chains: (row) => isSpan(row) && row[8] >= 1 && row[9] > 0,
  lights: ([beat, type, value]) =>
    beat >= 0 && type >= 0 && value >= 0 && value < CHROMA_COLOUR_BASE && ![5, 14, 15, 100].includes(type),
  boosts: ([beat]) => beat >= 0,
  tempo: ([, bpm]) => bpm > 0,
};

function readV2(raw) {
  const notes = list(raw._notes);
  const events = list(raw._events);
  const cell = (one) => [n(one._time), n(one._lineIndex), n(one._lineLayer)];
  const walls = list(raw._obstacles).map((one) => {
    const shape = [[0, 5], [2, 3], [n(one._lineLayer), n(one._height)]][n(one._type)] ?? [NaN, NaN];
    return [n(one._time), n(one._lineIndex), shape[0], n(one._duration), n(one._width), shape[1]];
  });
  const lights = events.filter((one) => ![5, 14, 15, 100].includes(n(one._type)));
  return {
    tempo: events.filter((one) => one._type === 100).map((one) => [n(one._time), n(one._floatValue)]),
    notes: notes
      .filter((one) => one._type !== 3)
      .map((one) => [...cell(one), n(one._type), n(one._cutDirection), 0]),
    bombs: notes.filter((one) => one._type === 3).map(cell),
    walls,
    arcs: list(raw._sliders).map((one) => [
      n(one._headTime), n(one._headLineIndex), n(one._headLineLayer), n(one._colorType),
      n(one._headCutDirection), n(one._tailTime), n(one._tailLineIndex), n(one._tailLineLayer),
      n(one._tailCutDirection), n(one._headControlPointLengthMultiplier),
      n(one._tailControlPointLengthMultiplier),
    ]),
    chains: [],
    lights: lights.map((one) => [
      n(one._time), n(one._type), n(one._value), n(one._floatValue ?? 1), ...rgb(one._customData?._color),
    ]),
    boosts: events.filter((one) => one._type === 5).map((one) => [n(one._time), one._value === 1]),
    others: { 'lane rotations': events.filter((one) => [14, 15].includes(one._type)) },
  };
}

function readV3(raw) {
  const span = (one) => [
    n(one.b), n(one.x), n(one.y), n(one.c), n(one.d), n(one.tb), n(one.tx), n(one.ty),
  ];
  return {
    tempo: list(raw.bpmEvents).map((one) => [n(one.b), n(one.m)]),
    notes: list(raw.colorNotes).map((one) => [
      n(one.b), n(one.x), n(one.y), n(one.c), n(one.d), n(one.a),
    ]),
    bombs: list(raw.bombNotes).map((one) => [n(one.b), n(one.x), n(one.y)]),
    walls: list(raw.obstacles).map((one) => [
      n(one.b), n(one.x), n(one.y), n(one.d), n(one.w), n(one.h),
    ]),
    arcs: list(raw.sliders).map((one) => [...span(one), n(one.tc), n(one.mu), n(one.tmu)]),
    chains: list(raw.burstSliders).map((one) => [...span(one), n(one.sc), n(one.s)]),
    lights: list(raw.basicBeatmapEvents).map((one) => [
      n(one.b), n(one.et), n(one.i), n(one.f), ...rgb(one.customData?.color),
    ]),
    boosts: list(raw.colorBoostBeatmapEvents).map((one) => [n(one.b), one.o === true]),
    others: {
      'lane rotations': raw.rotationEvents,
      'group lighting event boxes': raw.lightColorEventBoxGroups,
    },
  };
}

function readV4(raw, lightshow, regions) {
  const row = (table, index) => list(raw[table])[n(index)] ?? {};
  const light = (table, index) => list(lightshow[table])[n(index)] ?? {};
  const note = (index) => row('colorNotesData', index);
  return {
    tempo: regions,
    notes: list(raw.colorNotes).map((one) => {
      const { x, y, c, d, a } = note(one.i);
      return [n(one.b), n(x), n(y), n(c), n(d), n(a)];
    }),
    bombs: list(raw.bombNotes).map((one) => {
      const { x, y } = row('bombNotesData', one.i);
      return [n(one.b), n(x), n(y)];
    }),
    walls: list(raw.obstacles).map((one) => {
      const { d, x, y, w, h } = row('obstaclesData', one.i);
      return [n(one.b), n(x), n(y), n(d), n(w), n(h)];
    }),
    arcs: list(raw.arcs).map((one) => {
      const [head, tail, bend] = [note(one.hi), note(one.ti), row('arcsData', one.ai)];
      return [
        n(one.hb), n(head.x), n(head.y), n(head.c), n(head.d), n(one.tb), n(tail.x), n(tail.y),
        n(tail.d), n(bend.m), n(bend.tm),
      ];
    }),
    chains: list(raw.chains).map((one) => {
      const [head, link] = [note(one.i), row('chainsData', one.ci)];
      return [
        n(one.hb), n(head.x), n(head.y), n(head.c), n(head.d), n(one.tb), n(link.tx), n(link.ty),
        n(link.c), n(link.s),
      ];
    }),
    lights: list(lightshow.basicEvents).map((one) => {
      const { t, i, f, customData } = light('basicEventsData', one.i);
      return [n(one.b), n(t), n(i), n(f), ...rgb((one.customData ?? customData)?.color)];
    }),
    boosts: list(lightshow.colorBoostEvents).map((one) => [
      n(one.b), n(light('colorBoostEventsData', one.i).b) === 1,
    ]),
    others: {
      'group lighting event boxes': lightshow.eventBoxGroups,
      'jump speed events': raw.njsEvents,
    },
  };
}

function rgb(color) {
  const parts = list(color).slice(0, 3);
  return parts.length === 3 && parts.every(Number.isFinite) ? parts : [];
}

const list = (value) => (Array.isArray(value) ? value : []);
const text = (value) => (value === undefined || value === null ? '' : String(value));
const n = (value) => (value === undefined || value === null ? 0 : Number(value));

function number(value, fallback = 0) {
  const found = Number(value ?? fallback);
  return Number.isFinite(found) ? found : fallback;
}
