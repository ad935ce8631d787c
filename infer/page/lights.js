// What the light events make of the lights at a moment: a function of the time alone, so that one
// can jump to any place. Tested from tests/infer/test_page_lights.py through node.
import { lastAt } from './geometry.js';

// Groups by event type, in the classic environments' meaning.
export const LIGHT_GROUPS = ['back lasers', 'rings', 'left lasers', 'right lasers', 'centre'];
export const RING_SPIN = 8;
export const RING_ZOOM = 9;
export const LASER_SPEED = { 2: 12, 3: 13 };

const FLASH_SECONDS = 0.6;
const FADE_SECONDS = 1.5;
const WHITE = [1, 1, 1];

// Colours of a show: [r, g, b] in 0-1; `boost` swaps the two pairs.
export const DEFAULT_COLORS = {
  left: [0.784, 0.078, 0.078],
  right: [0.157, 0.557, 0.824],
  wall: [1, 0.188, 0.188],
  light0: [0.85, 0.085, 0.085],
  light1: [0.188, 0.675, 1],
  boost0: [0.85, 0.085, 0.085],
  boost1: [0.188, 0.675, 1],
};

function eventColor(event, colors, boost) {
  if (event.color) return event.color;
  if (event.value >= 9) return WHITE;
  if (event.value >= 5) return boost ? colors.boost0 : colors.light0;
  return boost ? colors.boost1 : colors.light1;
}

const isTransition = (event) => event.value > 0 && event.value % 4 === 0;

// A group's colour [r, g, b] and level (1 is an ordinary light that is on).
// `events` are one type's, in order: {time, value, brightness, color?}.
export function lightAt(events, time, colors, boost) {
  const index = lastAt(events, time, (event) => event.time);
  const event = index < 0 ? { value: 0, time: 0, brightness: 0 } : events[index];
  const since = time - event.time;
  const color = eventColor(event, colors, boost);
  const next = events[index + 1];
  const kind = event.value === 0 ? -1 : (event.value - 1) % 4;
  let level = kind < 0 ? 0 : event.brightness;
  if (kind === 1) level *= 1 + 0.6 * Math.max(0, 1 - since / FLASH_SECONDS) ** 2;
  if (kind === 2) level *= since >= FADE_SECONDS ? 0 : 1.2 * Math.exp(-3.2 * since);
  if (index >= 0 && next && isTransition(next) && kind !== 1 && kind !== 2) {
    const share = since / (next.time - event.time);
    const target = eventColor(next, colors, boost);
    const from = kind < 0 ? target : color; // out of the dark: in the colour to come
    return {
      color: from.map((value, k) => value + (target[k] - value) * share),
      level: level + (next.brightness - level) * share,
    };
  }
  return { color, level };
}

export function boostAt(boosts, time) {
  const index = lastAt(boosts, time, (event) => event.time);
  return index >= 0 && boosts[index].on;
}

// Radians that lasers have turned since the last speed event; speed 0 sets them back.
export function laserTurn(events, time) {
  const index = lastAt(events, time, (event) => event.time);
  if (index < 0 || events[index].value === 0) return 0;
  return ((time - events[index].time) * events[index].value * 20 * Math.PI) / 180;
}

// How many ring events have come, the last one eased in over a second.
export function ringSteps(events, time) {
  const index = lastAt(events, time, (event) => event.time);
  if (index < 0) return 0;
  const share = Math.min(1, time - events[index].time);
  return index + 1 - (1 - share) ** 3;
}
