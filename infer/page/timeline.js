// The strip under the picture: notes a second of both hands, the findings, and where one is. A
// click or a drag goes there.
import { density } from './prepare.js';

const BIN_SECONDS = 1;
const NEAR_PIXELS = 7;
export const FAULT = 1; // findings of this weight and more are faults, others advice

export class Timeline {
  constructor(canvas, { onSeek, onFinding }) {
    this.canvas = canvas;
    this.brush = canvas.getContext('2d');
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top, box];
    };
    canvas.addEventListener('pointerdown', (event) => {
      const [x, y, box] = at(event);
      const finding = y < box.height * 0.32 ? this.findingAt(x, box.width) : null;
      if (finding) {
        onFinding(finding);
        return;
      }
      canvas.setPointerCapture(event.pointerId);
      onSeek((x / box.width) * this.seconds);
    });
    canvas.addEventListener('pointermove', (event) => {
      const [x, , box] = at(event);
      if (event.buttons & 1 && canvas.hasPointerCapture(event.pointerId)) {
        onSeek((x / box.width) * this.seconds);
      }
      canvas.title = this.findingAt(x, box.width)?.message ?? '';
    });
    new ResizeObserver(() => this.layOut()).observe(canvas);
  }

  show(map, seconds) {
    this.map = map;
    this.seconds = seconds;
    this.bins = density(map.notes, seconds, BIN_SECONDS);
    this.most = Math.max(4, this.bins.reduce((most, [a, b]) => Math.max(most, a + b), 0));
    this.layOut();
  }

  findingAt(x, width) {
    let best = null;
    let nearest = NEAR_PIXELS;
    for (const finding of this.map?.findings ?? []) {
      const off = Math.abs((finding.time / this.seconds) * width - x);
      if (off < nearest || (off === nearest && finding.weight > best?.weight)) {
        best = finding;
        nearest = off;
      }
    }
    return best;
  }

  // The still part, drawn once.
  layOut() {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!this.map || !width) return;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    this.still = document.createElement('canvas');
    this.still.width = this.canvas.width;
    this.still.height = this.canvas.height;
    const brush = this.still.getContext('2d');
    brush.scale(ratio, ratio);
    brush.fillStyle = '#10131f';
    brush.fillRect(0, 0, width, height);
    const colors = [this.map.colors.left, this.map.colors.right].map(
      (rgb) => `rgb(${rgb.map((value) => Math.round(value * 230 + 25)).join(' ')})`,
    );
    const each = (width * BIN_SECONDS) / this.seconds;
    this.bins.forEach((bin, i) => {
      let base = height;
      bin.forEach((rate, hand) => {
        const tall = (rate / this.most) * height * 0.66;
        brush.fillStyle = colors[hand];
        brush.fillRect(i * each + 0.5, base - tall, Math.max(each - 1, 1), tall);
        base -= tall;
      });
    });
    for (const finding of this.map.findings) {
      const x = (finding.time / this.seconds) * width;
      const fault = finding.weight >= FAULT;
      brush.fillStyle = fault ? '#ff6b5e' : '#e3b341';
      brush.beginPath();
      brush.moveTo(x - 4, 3);
      brush.lineTo(x + 4, 3);
      brush.lineTo(x, fault ? 15 : 11);
      brush.fill();
    }
    this.drawn = null;
  }

  draw(time) {
    if (!this.still || time === this.drawn) return;
    this.drawn = time;
    const { width, height } = this.canvas;
    this.brush.drawImage(this.still, 0, 0);
    const x = (time / this.seconds) * width;
    this.brush.fillStyle = 'rgb(255 255 255 / 12%)';
    this.brush.fillRect(0, 0, x, height);
    this.brush.fillStyle = '#fff';
    this.brush.fillRect(x - 1, 0, 2, height);
  }
}
