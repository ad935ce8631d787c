// Where things are and how they are turned, as plain arithmetic: no scene, no page. Tested from
// tests/infer/test_page_geometry.py through node.
//
// Metres and seconds: x to the right, y up, the player at z 0 looking along -z, so an object due in
// s seconds stands at z = -s * NJS.

export const LANE_METRES = 0.6;
export const NUM_LANES = 4;
// Heights of the three rows at the moment of the cut, and of walls: the game's own look.
const ROW_METRES = [0.85, 1.4, 1.9];
const WALL_BASE_METRES = 0.1;
const WALL_TOP_METRES = 3.1;

// The way a note is cut, in degrees counter-clockwise from down as the player sees it; a dot has
// none of its own. In the order of the file's numbers: up, down, left, right, up-left, up-right,
// down-left, down-right, any.
export const CUT_DEGREES = [180, 0, 270, 90, 225, 135, 315, 45, 0];
export const ANY_DIRECTION = 8;

export function laneX(x) {
  return (x - (NUM_LANES - 1) / 2) * LANE_METRES;
}

export function rowY(y) {
  return ROW_METRES[y] ?? ROW_METRES[0] + y * 0.55;
}

export function noteRadians(direction, angleOffset) {
  return (((CUT_DEGREES[direction] ?? 0) + angleOffset) * Math.PI) / 180;
}

// Unit vector [x, y] of the saber's way through a note; null for a dot.
export function cutVector(direction) {
  if (direction === ANY_DIRECTION || CUT_DEGREES[direction] === undefined) return null;
  const turned = (CUT_DEGREES[direction] * Math.PI) / 180;
  return [Math.sin(turned), -Math.cos(turned)];
}

// The wall's box: centre x and y, width and height; a crouch wall has y 2 and height 3.
export function wallBox(x, y, width, height) {
  const bottom = WALL_BASE_METRES + y * LANE_METRES;
  const top = Math.min(bottom + height * LANE_METRES, WALL_TOP_METRES);
  return {
    x: laneX(x) + ((width - 1) * LANE_METRES) / 2,
    y: (bottom + top) / 2,
    width: width * LANE_METRES,
    height: Math.max(top - bottom, 0.1),
  };
}

const FALLBACK_NJS = { Easy: 10, Normal: 10, Hard: 10, Expert: 12, ExpertPlus: 16 };

// What the game plays a difficulty at: it has speeds of its own where a level says 0.
export function playedNjs(njs, difficulty) {
  return njs > 0 ? njs : (FALLBACK_NJS[difficulty] ?? 16);
}

// Beats that a note is seen before it is cut: 4, halved until it is under 18 m away, at least 1;
// then the level's offset, and at least a quarter. bpm is the level's base tempo.
export function halfJumpBeats(njs, offset, bpm) {
  let beats = 4;
  while (((njs * 60) / bpm) * beats > 17.999) beats /= 2;
  return Math.max(Math.max(beats, 1) + offset, 0.25);
}

// Seconds that a note is seen, and the metres it comes from (half the jump distance).
export function noteJump(njs, offset, bpm) {
  const seconds = (halfJumpBeats(njs, offset, bpm) * 60) / bpm;
  return { seconds, metres: seconds * njs };
}

// Beats of a map to seconds: `changes` are [beat, bpm], in order; one at or before beat 0 replaces
// the base tempo.
export class TempoMap {
  constructor(bpm, changes) {
    const tempos = new Map([[0, bpm]]);
    for (const [beat, tempo] of changes) tempos.set(Math.max(0, beat), tempo);
    this.beats = [...tempos.keys()].sort((a, b) => a - b);
    this.bpms = this.beats.map((beat) => tempos.get(beat));
    this.starts = [0];
    for (let i = 1; i < this.beats.length; i++) {
      const length = ((this.beats[i] - this.beats[i - 1]) * 60) / this.bpms[i - 1];
      this.starts.push(this.starts[i - 1] + length);
    }
  }

  toSeconds(beat) {
    const part = Math.max(lastAt(this.beats, beat, (at) => at), 0);
    return this.starts[part] + ((beat - this.beats[part]) * 60) / this.bpms[part];
  }

  toBeats(seconds) {
    const part = Math.max(lastAt(this.starts, seconds, (at) => at), 0);
    return this.beats[part] + ((seconds - this.starts[part]) * this.bpms[part]) / 60;
  }
}

// Index of the last item whose key is at or before `at`, -1 for none; items are in order.
export function lastAt(items, at, key) {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (key(items[middle]) <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

// Points [x, y, seconds after the head] of an arc, a cubic curve whose ends leave along the cuts.
export function arcPoints(arc, steps) {
  const reach = 2.5;
  const head = [laneX(arc.x), rowY(arc.y)];
  const tail = [laneX(arc.tailX), rowY(arc.tailY)];
  const out = cutVector(arc.direction) ?? [0, 0];
  const into = cutVector(arc.tailDirection) ?? [0, 0];
  const first = [0, 1].map((k) => head[k] + out[k] * reach * arc.multiplier);
  const second = [0, 1].map((k) => tail[k] - into[k] * reach * arc.tailMultiplier);
  const seconds = arc.tailTime - arc.time;
  const points = [];
  for (let i = 0; i <= steps; i++) {
    const t = i / steps;
    const [a, b, c, d] = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t ** 3];
    const at = [0, 1].map((k) => a * head[k] + b * first[k] + c * second[k] + d * tail[k]);
    points.push([at[0], Math.max(at[1], 0.15), seconds * t]);
  }
  return points;
}

// The links of a chain after its head, {x, y, time, radians}: on a curve that leaves the head along
// its cut; `squish` says how far along the curve the last link is.
export function chainLinks(chain) {
  const head = [laneX(chain.x), rowY(chain.y)];
  const tail = [laneX(chain.tailX), rowY(chain.tailY)];
  const length = Math.hypot(tail[0] - head[0], tail[1] - head[1]);
  const out = cutVector(chain.direction) ?? [0, 0];
  const middle = [0, 1].map((k) => head[k] + (out[k] * length) / 2);
  const links = [];
  for (let i = 1; i < chain.slices; i++) {
    const t = (chain.squish * i) / (chain.slices - 1);
    const at = [0, 1].map(
      (k) => (1 - t) ** 2 * head[k] + 2 * t * (1 - t) * middle[k] + t * t * tail[k],
    );
    const way = [0, 1].map(
      (k) => 2 * (1 - t) * (middle[k] - head[k]) + 2 * t * (tail[k] - middle[k]),
    );
    links.push({
      x: at[0],
      y: at[1],
      time: chain.time + t * (chain.tailTime - chain.time),
      radians: Math.atan2(way[0], -way[1]),
    });
  }
  return links;
}
