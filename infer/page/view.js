// The picture: camera, renderer, and as many pixels as the machine draws in time. Needs three.js as
// the global THREE.
import { LANE_METRES } from './geometry.js';
import { Stage } from './stage.js';
import { Track } from './track.js';

const EYE_METRES = 1.75;
const SLOW_MILLISECONDS = 40;
const QUICK_MILLISECONDS = 14;
const MIN_PIXEL_RATIO = 0.4;

export class View {
  // Throws where the browser has no WebGL.
  constructor(canvas) {
    this.canvas = canvas;
    this.renderer = new THREE.WebGLRenderer({ canvas, antialias: true });
    this.renderer.localClippingEnabled = true;
    this.scene = new THREE.Scene();
    this.scene.background = new THREE.Color(0x04050a);
    this.scene.fog = new THREE.Fog(0x04050a, 20, 85);
    this.camera = new THREE.PerspectiveCamera(60, 1, 0.05, 220);
    const sun = new THREE.DirectionalLight(0xffffff, 1.9);
    sun.position.set(0.6, 2.2, 3);
    this.scene.add(sun, new THREE.AmbientLight(0xffffff, 1.3));
    this.stage = new Stage(this.scene);
    this.track = new Track(this.scene);
    this.finest = Math.min(window.devicePixelRatio || 1, 2);
    this.ratio = this.finest;
    this.times = [];
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
    this.resize();
  }

  resize(ratio = this.ratio) {
    const { clientWidth: width, clientHeight: height } = this.canvas.parentElement;
    if (!width || !height) return;
    this.shown = ratio;
    this.renderer.setPixelRatio(ratio);
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    // far enough back that the lanes fit a narrow screen
    const half = Math.tan((this.camera.fov * Math.PI) / 360) * Math.min(this.camera.aspect, 1.1);
    const back = Math.max(2.1, (LANE_METRES * 2.6) / half);
    this.camera.position.set(0, EYE_METRES + 0.12 * back, back);
    this.camera.lookAt(0, 1.15, -7);
    this.stale = true;
  }

  show(map) {
    this.map = map;
    this.track.show(map);
    this.stale = true;
  }

  // Draws the moment `time`; does nothing when it is on the screen already.
  draw(time) {
    if (!this.map || (time === this.drawn && !this.stale)) return;
    this.drawn = time;
    this.stale = false;
    this.track.update(time);
    this.levels = this.stage.update(this.map, time);
    this.renderer.render(this.scene, this.camera);
  }

  // Fewer pixels where frames come late, more again where they come easily, all of them for a still
  // picture.
  adapt(milliseconds, playing) {
    if (!playing) {
      this.times = [];
      if (this.shown !== this.finest) this.resize(this.finest);
      return;
    }
    if (this.shown !== this.ratio) this.resize();
    this.times.push(milliseconds);
    if (this.times.length < 30) return;
    const usual = this.times.sort((a, b) => a - b)[15];
    this.times = [];
    let ratio = this.ratio;
    if (usual > SLOW_MILLISECONDS) ratio = Math.max(MIN_PIXEL_RATIO, this.ratio * 0.8);
    else if (usual < QUICK_MILLISECONDS) ratio = Math.min(this.finest, this.ratio * 1.1);
    if (ratio !== this.ratio) {
      this.ratio = ratio;
    }
  }
}
