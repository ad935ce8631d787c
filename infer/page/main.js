// The page: one level, its controls, its findings. Every string of a level is set as text.
import { lastAt } from './geometry.js';
import { readLevelZip } from './level.js';
import { NoteSounds, Player } from './player.js';
import { prepare } from './prepare.js';
import { FAULT, Timeline } from './timeline.js';
import { View } from './view.js';

const SPEEDS = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2];
const MAX_LISTED = 400;
const NAMES = { ExpertPlus: 'Expert+' };
const get = (id) => document.getElementById(id);

const player = new Player();
const sounds = new NoteSounds();
let view = null;
let level = null;
let map = null;
let noteTimes = [];
let listed = [];
let hushed = false; // muted because the preview beside it is heard

const timeline = new Timeline(get('timeline'), { onSeek: seek, onFinding: goTo });

function say(message) {
  get('message').textContent = message;
  get('message').hidden = !message;
}

async function showLevel(found, song, cover) {
  level = found;
  get('title').textContent = [level.title || 'Untitled', level.subtitle].filter(Boolean).join(' ');
  get('artist').textContent = level.artist;
  get('mapper').textContent = level.mapper ? `mapped by ${level.mapper}` : '';
  get('machine').hidden = !level.machine;
  document.title = `${level.title || 'Untitled'}: preview`;
  if (get('cover').src.startsWith('blob:')) URL.revokeObjectURL(get('cover').src);
  get('cover').hidden = !cover;
  if (cover) get('cover').src = URL.createObjectURL(new Blob([cover]));
  const names = level.difficulties.map(nameOf);
  get('difficulty').replaceChildren(...names.map((name, i) => new Option(name, i)));
  const hardest = level.difficulties.findLastIndex((one) => one.characteristic === 'Standard');
  const chosen = Math.max(hardest, 0);
  get('difficulty').value = chosen;
  const ends = level.difficulties.map((one) => prepare(level, one).end);
  const playable = await player.load(song, Math.max(...ends));
  say(
    playable
      ? level.unread.join(' ')
      : `${song ? 'This browser cannot play the song' : 'There is no song in this level'}: the map runs without sound.`,
  );
  showDifficulty(chosen);
}

function nameOf({ characteristic, name, label }) {
  const usual = NAMES[name] ?? name;
  const set = characteristic === 'Standard' ? '' : `${characteristic} `;
  return `${set}${usual}${label && label !== usual ? ` (${label})` : ''}`;
}

function showDifficulty(index) {
  const difficulty = level.difficulties[index];
  map = prepare(level, difficulty);
  noteTimes = map.notes.map((note) => note.time);
  timeline.show(map, player.length);
  view?.show(map);
  const counts = [
    [map.notes.length, 'notes'],
    [map.bombs.length, 'bombs'],
    [map.walls.length, 'walls'],
    [map.arcs.length, 'arcs'],
    [map.chains.length, 'chains'],
    [difficulty.lights.length, 'lights'],
  ];
  const some = counts
    .filter(([count]) => count)
    .map(([count, what]) => `${count} ${count === 1 ? what.slice(0, -1) : what}`);
  get('counts').textContent = `${some.join(', ') || 'empty'}; NJS ${map.njs}`;
  const left = Object.entries(difficulty.left_out).map(([what, count]) => `${what} ${count}`);
  get('left-out').textContent = left.length ? `Not shown: ${left.join(', ')}.` : '';
  get('verdict').textContent = difficulty.verdict;
  showFindings();
}

function showFindings() {
  const faultsOnly = get('faults').checked;
  listed = map.findings.filter((one) => !faultsOnly || one.weight >= FAULT);
  const rows = listed.slice(0, MAX_LISTED).map((finding) => {
    const row = document.createElement('button');
    row.type = 'button';
    row.className = finding.weight >= FAULT ? 'finding fault' : 'finding';
    const place = document.createElement('b');
    place.textContent = clock(finding.time);
    const rule = document.createElement('span');
    rule.textContent = finding.rule.replaceAll('_', ' ');
    const message = document.createElement('small');
    message.textContent = finding.message;
    row.append(place, rule, message);
    row.addEventListener('click', () => goTo(finding));
    return row;
  });
  get('findings').replaceChildren(...rows);
  const judged = map.findings.length || get('verdict').textContent;
  const rest = listed.length - rows.length;
  get('no-findings').textContent = !judged
    ? 'Not judged: “saberlm preview LEVEL” makes a page with the judge’s findings.'
    : rest > 0
      ? `and ${rest} more`
      : listed.length
        ? ''
        : 'Nothing found.';
}

// To just before the place, so that what is concerned is in sight.
function goTo(finding) {
  view?.track.markFinding(finding);
  const ahead = player.playing ? 1.5 : Math.min(map.jump.seconds * 0.45, 0.3);
  seek(finding.time - ahead);
  const at = listed.indexOf(finding);
  for (const [i, row] of [...get('findings').children].entries()) {
    row.classList.toggle('chosen', i === at);
    if (i === at) row.scrollIntoView({ block: 'nearest' });
  }
}

function stepFinding(step) {
  if (!listed.length) return;
  const marked = listed.indexOf(view?.track.marked);
  const before = lastAt(listed, player.seconds + 1e-6, (one) => one.time);
  const from = marked >= 0 ? marked + step : step > 0 ? before + 1 : before;
  goTo(listed[Math.min(Math.max(from, 0), listed.length - 1)]);
}

function clock(seconds) {
  const tenths = Math.max(0, Math.round(seconds * 10));
  return `${Math.floor(tenths / 600)}:${String(Math.floor(tenths / 10) % 60).padStart(2, '0')}.${tenths % 10}`;
}

function seek(seconds) {
  player.seek(seconds);
  sounds.reached = Infinity;
  tellOthers();
}

function toggle() {
  if (player.playing) player.pause();
  else player.play();
  tellOthers();
}

// Previews that stand side by side on one page (#together) start, stop and jump as one; the one that
// is touched is heard.
function tellOthers() {
  if (!map || !location.hash.includes('together')) return;
  if (hushed) setMuted(false);
  hushed = false;
  const said = { together: true, playing: player.playing, seconds: player.seconds, speed: get('speed').value };
  for (let i = 0; i < parent.frames.length; i++) {
    if (parent.frames[i] !== window) parent.frames[i].postMessage(said, '*');
  }
}

function setMuted(muted) {
  player.audio.muted = muted;
  get('mute').setAttribute('aria-pressed', muted);
}

function follow({ data }) {
  if (!location.hash.includes('together') || data?.together !== true || !map) return;
  const { playing, seconds, speed } = data;
  if (!Number.isFinite(seconds) || SPEEDS[speed] === undefined) return;
  get('speed').value = speed;
  player.setRate(SPEEDS[speed]);
  hushed ||= !player.audio.muted;
  setMuted(true);
  player.seek(seconds);
  if (playing) player.play();
  else player.pause();
}

function stepBeats(beats) {
  const beat = map.tempo.toBeats(player.seconds);
  const whole = beats > 0 ? Math.floor(beat + 1e-6) : Math.ceil(beat - 1e-6);
  seek(map.tempo.toSeconds(Math.max(0, whole + beats)));
}

function setSpeed(index) {
  const at = Math.min(Math.max(index, 0), SPEEDS.length - 1);
  get('speed').value = at;
  player.setRate(SPEEDS[at]);
  tellOthers();
}

function chooseDifficulty(index) {
  if (!level?.difficulties[index]) return;
  get('difficulty').value = index;
  showDifficulty(index);
}

const KEYS = {
  ' ': toggle,
  k: toggle,
  ArrowLeft: () => seek(player.seconds - 2),
  ArrowRight: () => seek(player.seconds + 2),
  ',': () => stepBeats(-1),
  '.': () => stepBeats(1),
  ArrowUp: () => setSpeed(Number(get('speed').value) + 1),
  ArrowDown: () => setSpeed(Number(get('speed').value) - 1),
  n: () => stepFinding(1),
  p: () => stepFinding(-1),
  t: () => get('ticks').click(),
  m: () => get('mute').click(),
  f: fullScreen,
  Home: () => seek(0),
  End: () => seek(player.length - 2),
  '?': () => get('keys').toggleAttribute('hidden'),
  h: () => get('keys').toggleAttribute('hidden'),
  Escape: () => (get('keys').hidden = true),
};

function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else get('stage').requestFullscreen?.().catch(() => say('This page may not fill the screen.'));
}

function wire() {
  SPEEDS.forEach((speed, i) => get('speed').add(new Option(`${speed * 100} %`, i)));
  setSpeed(SPEEDS.indexOf(1));
  player.onSilent = () => say('The browser does not start the sound: the map runs without it.');
  get('play').addEventListener('click', toggle);
  get('start').addEventListener('click', toggle);
  get('scene').addEventListener('click', toggle);
  get('speed').addEventListener('change', (event) => setSpeed(Number(event.target.value)));
  get('difficulty').addEventListener('change', (event) => showDifficulty(Number(event.target.value)));
  get('faults').addEventListener('change', showFindings);
  get('full').addEventListener('click', fullScreen);
  get('help').addEventListener('click', KEYS['?']);
  get('keys').addEventListener('click', KEYS['?']);
  get('ticks').addEventListener('click', () => {
    get('ticks').setAttribute('aria-pressed', sounds.toggle());
  });
  get('mute').addEventListener('click', () => {
    hushed = false;
    setMuted(!player.audio.muted);
  });
  get('volume').addEventListener('input', (event) => player.setVolume(event.target.value / 100));
  get('file').addEventListener('change', (event) => open(event.target.files[0]));
  window.addEventListener('message', follow);
  window.addEventListener('hashchange', seekToHash);
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (['SELECT', 'INPUT'].includes(event.target.tagName) && event.target.type !== 'range') return;
    if (event.target.tagName === 'BUTTON' && event.key === ' ') event.target.blur();
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (/^[1-9]$/.test(key)) chooseDifficulty(Number(key) - 1);
    else if (KEYS[key]) KEYS[key]();
    else return;
    event.preventDefault();
  });
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    document.body.classList.add('dropping');
  });
  for (const name of ['dragleave', 'drop']) {
    document.addEventListener(name, () => document.body.classList.remove('dropping'));
  }
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    open(event.dataTransfer.files[0]);
  });
}

async function open(file) {
  if (!file) return;
  say(`Reading ${file.name} …`);
  try {
    const { level: found, song, cover } = await readLevelZip(await file.arrayBuffer());
    await showLevel(found, song, cover);
  } catch (problem) {
    say(`${file.name}: ${problem.message}`);
  }
}

function frame(now) {
  const seconds = player.tick();
  if (map) {
    sounds.tick(noteTimes, seconds, player.playing, player.rate);
    view?.draw(seconds);
    timeline.draw(seconds);
    const beat = map.tempo.toBeats(seconds);
    get('clock').textContent = `${clock(seconds)} / ${clock(player.length)}`;
    get('beat').textContent = `bar ${Math.floor(beat / 4) + 1}, beat ${(Math.floor(beat * 100) / 100).toFixed(2)}`;
    get('play').classList.toggle('playing', player.playing);
    get('start').hidden = player.playing || seconds > 0;
    if (frame.last) view?.adapt(now - frame.last, player.playing);
  }
  frame.last = now;
  requestAnimationFrame(frame);
}

// The bytes that the page carries as base64, null for none; its text is let go.
function carried(id) {
  const packed = atob(get(id).textContent);
  get(id).textContent = '';
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
  return bytes.length ? bytes : null;
}

// An address that ends in #t=SECONDS shows that moment.
function seekToHash() {
  const found = /[#&]t=([\d.]+)/.exec(location.hash);
  if (found) seek(Number(found[1]));
}

async function begin() {
  wire();
  try {
    view = new View(get('scene'));
  } catch {
    say('This browser cannot draw in 3D (no WebGL): only the timeline is shown.');
  }
  requestAnimationFrame(frame);
  const given = JSON.parse(get('level').textContent);
  if (given) {
    await showLevel(given, carried('song'), carried('cover-data'));
    seekToHash();
  } else {
    say('Drop a level zip here.');
  }
  document.body.dataset.ready = 'yes';
}

begin();
