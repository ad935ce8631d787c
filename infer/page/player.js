// The song and the clock that everything follows: the sound's own place, smoothed from frame to
// frame. Without a sound that this browser can play it is a plain clock.

const LOOK_AHEAD_SECONDS = 0.12;
const STALL_SECONDS = 3; // of a sound that should run and stands: a slow device starts sooner

export class Player {
  constructor() {
    this.audio = new Audio();
    this.audio.preload = 'auto';
    this.playable = false;
    this.silent = true; // while it plays: no sound that can be played, or none that runs
    this.seconds = 0;
    this.length = 1;
    this.rate = 1;
    this.playing = false;
    this.onStop = () => {};
    this.onSilent = () => {};
    this.audio.addEventListener('ended', () => this.stop());
    this.audio.addEventListener('pause', () => {
      // a key of the keyboard or of the headphones
      if (this.started && this.audio.paused && !this.audio.ended) this.playing = false;
    });
    this.audio.addEventListener('error', () => {
      if (!this.audio.currentSrc) return;
      this.playable = false;
      this.silent = true;
    });
  }

  // `bytes` is the sound or null; `end` is where the level's last object is. Resolves to whether
  // the sound can be played.
  async load(bytes, end) {
    this.pause();
    this.seconds = 0;
    this.last = performance.now();
    this.length = Math.max(1, end + 2);
    this.playable = false;
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = null;
    if (!bytes) {
      this.audio.removeAttribute('src');
      return false;
    }
    this.address = URL.createObjectURL(new Blob([bytes], { type: kindOf(bytes) }));
    const ready = new Promise((resolve) => {
      const done = (playable) => () => resolve(playable);
      this.audio.addEventListener('loadedmetadata', done(true), { once: true });
      this.audio.addEventListener('error', done(false), { once: true });
    });
    this.audio.src = this.address;
    this.playable = await ready;
    if (this.playable && Number.isFinite(this.audio.duration)) this.length = this.audio.duration;
    return this.playable;
  }

  play() {
    if (this.playing) return;
    if (this.seconds >= this.length - 0.05) this.seek(0);
    this.playing = true;
    this.last = performance.now();
    this.silent = !this.playable;
    if (this.silent) return;
    this.stood = 0;
    this.restarts = 0;
    this.audio.playbackRate = this.rate;
    this.audio.preservesPitch = true;
    this.start();
  }

  async start() {
    this.started = false;
    try {
      await this.audio.play();
      this.started = true;
    } catch (error) {
      if (error.name === 'NotAllowedError') this.playing = false; // it wants a click first
      // a busy browser breaks a start off that a jump came right before
      else if (this.playing && this.restarts++ < 1) this.start();
    }
  }

  // A sound may never start (no device, a browser short of time): it is started once more, and
  // then the map runs without it.
  watch(step) {
    const at = this.audio.currentTime;
    this.stood = at === this.stoodAt ? this.stood + step : 0;
    this.stoodAt = at;
    if (this.stood < STALL_SECONDS) return;
    this.stood = 0;
    if (this.restarts++ < 1) {
      this.audio.currentTime = this.seconds;
      this.start();
    } else {
      this.silent = true;
      this.started = false;
      this.audio.pause();
      this.onSilent();
    }
  }

  pause() {
    this.playing = false;
    this.started = false;
    this.audio.pause();
  }

  stop() {
    this.pause();
    this.onStop();
  }

  seek(seconds) {
    this.seconds = Math.min(Math.max(seconds, 0), this.length);
    if (this.playable) this.audio.currentTime = this.seconds;
  }

  setRate(rate) {
    this.rate = rate;
    this.audio.playbackRate = rate;
  }

  setVolume(volume) {
    this.audio.volume = volume;
  }

  // Called once a frame; returns the song's second. The sound's own clock moves in steps: ours runs
  // on evenly and leans towards it.
  tick() {
    const now = performance.now();
    const step = Math.min((now - this.last) / 1000, 0.5);
    this.last = now;
    if (!this.playing) return this.seconds;
    if (this.silent) {
      this.seconds += step * this.rate;
      if (this.seconds >= this.length) this.stop();
    } else {
      const moving = !this.audio.paused && this.audio.readyState > 2;
      const guess = this.seconds + (moving ? step * this.rate : 0);
      const off = this.audio.currentTime - guess;
      this.seconds = Math.abs(off) > 0.15 ? this.audio.currentTime : guess + off * 0.1;
      this.watch(step);
    }
    return this.seconds;
  }
}

function kindOf(bytes) {
  const start = String.fromCharCode(...bytes.slice(0, 4));
  if (start === 'OggS') return 'audio/ogg';
  return start === 'RIFF' ? 'audio/wav' : 'audio/mpeg';
}

// A tick at every note, to hear whether the map sits on the song.
export class NoteSounds {
  constructor() {
    this.on = false;
    this.next = 0;
  }

  toggle() {
    this.on = !this.on;
    this.context ??= new AudioContext();
    this.context.resume();
    return this.on;
  }

  // `times` are the notes' seconds in order.
  tick(times, seconds, playing, rate) {
    if (!this.on || !playing || seconds < this.reached - 0.2 || seconds > this.reached + 0.5) {
      this.reached = seconds;
      this.next = times.findIndex((time) => time > seconds);
      if (this.next < 0) this.next = times.length;
      if (!this.on || !playing) return;
    }
    this.reached = seconds;
    while (this.next < times.length && times[this.next] < seconds + LOOK_AHEAD_SECONDS * rate) {
      const wait = Math.max(0, (times[this.next] - seconds) / rate);
      if (times[this.next] !== times[this.next - 1]) this.click(this.context.currentTime + wait);
      this.next += 1;
    }
  }

  click(at) {
    const tone = this.context.createOscillator();
    const gain = this.context.createGain();
    tone.type = 'triangle';
    tone.frequency.value = 1800;
    gain.gain.setValueAtTime(0.25, at);
    gain.gain.exponentialRampToValueAtTime(0.001, at + 0.04);
    tone.connect(gain).connect(this.context.destination);
    tone.start(at);
    tone.stop(at + 0.05);
  }
}
