// A neutral level's difficulty into what is drawn and played: objects with their seconds. The
// neutral form is saberlm.infer.preview's; tested from tests/infer/test_page_level.py through node.
import { TempoMap, noteJump, playedNjs } from './geometry.js';
import { DEFAULT_COLORS, LASER_SPEED, LIGHT_GROUPS, RING_SPIN, RING_ZOOM } from './lights.js';

export function prepare(level, difficulty) {
  const tempo = new TempoMap(level.bpm, difficulty.tempo);
  const at = (beat) => tempo.toSeconds(beat);
  const njs = playedNjs(difficulty.njs, difficulty.name);
  const cell = ([beat, x, y]) => ({ time: at(beat), beat, x, y });
  const span = (row) => ({
    ...cell(row),
    color: row[3],
    direction: row[4],
    tailTime: at(row[5]),
    tailX: row[6],
    tailY: row[7],
  });
  const lights = new Map();
  const shown = [...LIGHT_GROUPS.keys(), ...Object.values(LASER_SPEED), RING_SPIN, RING_ZOOM];
  for (const type of shown) lights.set(type, []);
  for (const [beat, type, value, brightness, ...color] of difficulty.lights) {
    const event = { time: at(beat), value, brightness, color: color.length ? color : null };
    lights.get(type)?.push(event);
  }
  const prepared = {
    tempo,
    njs,
    jump: noteJump(njs, difficulty.offset, level.bpm),
    colors: { ...DEFAULT_COLORS, ...difficulty.colors },
    notes: difficulty.notes.map((row) => ({
      ...cell(row),
      color: row[3],
      direction: row[4],
      angle: row[5],
    })),
    bombs: difficulty.bombs.map(cell),
    walls: difficulty.walls.map((row) => ({
      ...cell(row),
      endTime: at(row[0] + row[3]),
      width: row[4],
      height: row[5],
    })),
    arcs: difficulty.arcs.map((row) => ({
      ...span(row),
      tailDirection: row[8],
      multiplier: row[9],
      tailMultiplier: row[10],
    })),
    chains: difficulty.chains.map((row) => ({ ...span(row), slices: row[8], squish: row[9] })),
    lights,
    boosts: difficulty.boosts.map(([beat, on]) => ({ time: at(beat), on })),
    findings: difficulty.findings.map((one) => ({ ...one, time: at(one.beat) })),
  };
  prepared.findings.sort((a, b) => a.time - b.time);
  const last = (group, key) => group.reduce((end, one) => Math.max(end, one[key]), 0);
  prepared.end = Math.max(last(prepared.notes, 'time'), last(prepared.walls, 'endTime'));
  return prepared;
}

// Notes a second, left hand and right, in bins of `width` seconds up to `seconds`.
export function density(notes, seconds, width) {
  const bins = Array.from({ length: Math.max(1, Math.ceil(seconds / width)) }, () => [0, 0]);
  for (const note of notes) {
    const bin = bins[Math.floor(note.time / width)];
    if (bin) bin[note.color] += 1 / width;
  }
  return bins;
}
