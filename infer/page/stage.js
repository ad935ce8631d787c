// The place that the map is played in: floor, lanes, and five groups of lights that follow the
// events. Needs three.js as the global THREE.
import { LANE_METRES, laneX } from './geometry.js';
import { LASER_SPEED, RING_SPIN, RING_ZOOM, boostAt, laserTurn, lightAt, ringSteps } from './lights.js';

const TRACK_METRES = 90;
const NUM_RINGS = 9;
const NUM_LASERS = 4;

export class Stage {
  constructor(scene) {
    this.glow = glowTexture();
    this.groups = [0, 1, 2, 3, 4].map(() => this.lightMaterial());
    this.lasers = [];
    this.rings = [];
    this.addFloor(scene);
    this.addCentre(scene);
    this.addBackLasers(scene);
    this.addRings(scene);
    this.addSideLasers(scene);
    this.halo = this.bar(130, 80, this.lightMaterial());
    this.halo.material.map = roundGlow();
    this.halo.position.set(0, 3, -TRACK_METRES);
    scene.add(this.halo);
  }

  lightMaterial() {
    return new THREE.MeshBasicMaterial({
      map: this.glow,
      transparent: true,
      blending: THREE.AdditiveBlending,
      depthWrite: false,
      side: THREE.DoubleSide,
      forceSinglePass: true, // a light adds up: its two sides need no order, nor two draws
      fog: false,
    });
  }

  bar(width, length, material) {
    return new THREE.Mesh(new THREE.PlaneGeometry(width, length), material);
  }

  addFloor(scene) {
    const wide = LANE_METRES * 4;
    const floor = new THREE.Mesh(
      new THREE.PlaneGeometry(wide, TRACK_METRES + 4),
      new THREE.MeshBasicMaterial({ color: 0x0b0d16 }),
    );
    floor.rotation.x = -Math.PI / 2;
    floor.position.set(0, 0, 2 - TRACK_METRES / 2);
    scene.add(floor);
    const points = [];
    for (let lane = 0; lane <= 4; lane++) {
      const x = laneX(lane) - LANE_METRES / 2;
      points.push(x, 0.01, 2, x, 0.01, -TRACK_METRES);
    }
    points.push(-wide / 2, 0.01, 0, wide / 2, 0.01, 0);
    const lines = new THREE.BufferGeometry();
    lines.setAttribute('position', new THREE.Float32BufferAttribute(points, 3));
    scene.add(new THREE.LineSegments(lines, new THREE.LineBasicMaterial({ color: 0x30395c })));
  }

  addCentre(scene) {
    for (const side of [-1, 1]) {
      for (const [x, width] of [[1.36, 0.34], [3.4, 0.5]]) {
        const line = this.bar(width, TRACK_METRES, this.groups[4]);
        line.rotation.x = -Math.PI / 2;
        line.position.set(side * x, 0.02, 2 - TRACK_METRES / 2);
        scene.add(line);
      }
    }
  }

  addBackLasers(scene) {
    for (const side of [-1, 1]) {
      for (let i = 0; i < 4; i++) {
        const laser = this.bar(1.1, 70, this.groups[0]);
        laser.position.set(side * (2 + i * 5), 2, -TRACK_METRES + 6 + i);
        laser.rotation.z = side * (0.35 + i * 0.16);
        scene.add(laser);
      }
    }
  }

  addRings(scene) {
    for (let i = 0; i < NUM_RINGS; i++) {
      const ring = new THREE.Group();
      const half = 7.5;
      for (let side = 0; side < 4; side++) {
        const arm = new THREE.Group();
        const light = this.bar(0.55, half * 1.1, this.groups[1]);
        light.position.x = half;
        arm.add(light);
        arm.rotation.z = (side * Math.PI) / 2;
        ring.add(arm);
      }
      ring.position.y = 3;
      this.rings.push(ring);
      scene.add(ring);
    }
  }

  addSideLasers(scene) {
    for (const [type, side] of [[2, -1], [3, 1]]) {
      for (let i = 0; i < NUM_LASERS; i++) {
        const pivot = new THREE.Group();
        pivot.position.set(side * (5.5 + i * 2.2), -1, -16 - i * 11);
        const laser = this.bar(0.75, 46, this.groups[type]);
        laser.position.y = 20;
        pivot.add(laser);
        scene.add(pivot);
        this.lasers.push({ pivot, type, side, place: i });
      }
    }
  }

  // Everything as it is at `time`; returns how bright the groups are, [0-4].
  update(show, time) {
    const boost = boostAt(show.boosts, time);
    const levels = this.groups.map((material, type) => {
      const { color, level } = lightAt(show.lights.get(type), time, show.colors, boost);
      const bright = Math.min(level, 1.6);
      material.color.setRGB(...color, THREE.SRGBColorSpace).multiplyScalar(Math.max(bright, 0));
      material.visible = bright > 0.01;
      if (type === 0) {
        this.halo.material.color.setRGB(...color, THREE.SRGBColorSpace).multiplyScalar(bright * 0.35);
        this.halo.material.visible = bright > 0.01;
      }
      return level;
    });
    for (const { pivot, type, side, place } of this.lasers) {
      const turn = laserTurn(show.lights.get(LASER_SPEED[type]), time);
      const sway = Math.sin(turn * (0.5 + 0.13 * place) + place) - Math.sin(place);
      pivot.rotation.z = side * (-0.3 - 0.09 * place) + 0.42 * sway;
    }
    const turned = (ringSteps(show.lights.get(RING_SPIN), time) * Math.PI) / 2;
    const zoomed = ringSteps(show.lights.get(RING_ZOOM), time) % 2;
    const apart = 5 + 2.2 * (zoomed > 1 ? 2 - zoomed : zoomed);
    this.rings.forEach((ring, i) => {
      ring.position.z = -18 - apart * i;
      ring.rotation.z = turned * (1 + 0.06 * i) + i * 0.09;
    });
    return levels;
  }
}

export function roundGlow() {
  const canvas = document.createElement('canvas');
  canvas.width = 128;
  canvas.height = 128;
  const brush = canvas.getContext('2d');
  const blur = brush.createRadialGradient(64, 64, 0, 64, 64, 64);
  for (const [at, shade] of [[0, 255], [0.15, 130], [0.35, 52], [0.65, 14], [1, 0]]) {
    blur.addColorStop(at, `rgb(${shade} ${shade} ${shade})`);
  }
  brush.fillStyle = blur;
  brush.fillRect(0, 0, 128, 128);
  return new THREE.CanvasTexture(canvas);
}

// White in the middle of its width and fading out to the sides and to both ends.
function glowTexture() {
  const canvas = document.createElement('canvas');
  canvas.width = 64;
  canvas.height = 64;
  const brush = canvas.getContext('2d');
  const picture = brush.createImageData(64, 64);
  for (let y = 0; y < 64; y++) {
    for (let x = 0; x < 64; x++) {
      const across = Math.abs(x - 31.5) / 32;
      const along = Math.abs(y - 31.5) / 32;
      const core = across < 0.12 ? 1 : Math.exp(-4.5 * across) * 0.75 * (1 - across);
      const value = 255 * core * Math.min(1, (1 - along) * 6);
      picture.data.set([value, value, value, 255], (y * 64 + x) * 4);
    }
  }
  brush.putImageData(picture, 0, 0);
  return new THREE.CanvasTexture(canvas);
}
